//! Mending the record after a failure, when a human has looked.

use serde_json::json;

use crate::deploy::Migrations;
use crate::error::{Error, Refusal, Result};
use crate::history::checksum::checksum;
use crate::history::journal::{self, Entry};
use crate::history::record;
use crate::history::{History, MigrationState};
use crate::{guard, operator};

/// What was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// The schema holds it: the migration counts as applied; a statement in doubt counts as done.
    Applied,
    /// The schema does not hold it: the migration counts as pending, or is forgotten where this version does not have it;
    /// a statement in doubt is done again.
    RolledBack,
}

impl Migrations {
    /// Mends the record after a failure that a human has looked into; the schema is not touched. It goes into the audit
    /// log. Refused for a name that nobody knows, and for a migration that needs no mending.
    pub async fn resolve(&mut self, name: &str, resolution: Resolution, reason: &str) -> Result<()> {
        self.lock(&mut |_| ()).await?;
        let outcome = resolve(self, name, resolution, reason).await;
        self.unlock().await;
        outcome
    }
}

async fn resolve(migrations: &mut Migrations, name: &str, resolution: Resolution, reason: &str) -> Result<()> {
    migrations.refuse_strangers().await?;
    let history = migrations.history().await?;
    if history.is_empty() {
        guard::refuse_foreign(&mut migrations.connection).await?;
    }
    let Some(status) = history.states().into_iter().find(|status| status.name == name) else {
        return Err(Refusal::NoSuchMigration { migration: name.to_owned() }.into());
    };
    if reason.trim().is_empty() {
        return Err(Error::Usage("a reason is needed: it goes into the audit log".to_owned()));
    }
    record::install(&mut migrations.connection).await?;
    journal::install(&mut migrations.connection).await?;
    let changes = changes(migrations, history, name, status.state, resolution)?;
    let details = json!({
        "migration": name,
        "was": status.state,
        "resolution": match resolution { Resolution::Applied => "applied", Resolution::RolledBack => "rolled back" },
        "reason": reason.trim(),
    });
    operator::change(&mut migrations.connection, &changes, "MIGRATION_RESOLVED", "rylie_migrations", &details).await
}

/// The statements that mend the record, its links included.
fn changes(
    migrations: &Migrations,
    mut history: History,
    name: &str,
    state: MigrationState,
    resolution: Resolution,
) -> Result<Vec<String>> {
    use MigrationState::{Applied, Edited, Failed, InDoubt, Inserted, Missing, Pending, Renamed, Unknown};
    let nothing = Err(Refusal::NothingToResolve { migration: name.to_owned() }.into());
    let mut changes = match (state, resolution, history.knows(name)) {
        (InDoubt, resolution, _) => {
            let step = history.entries.get(name).map(|entry| entry.step).unwrap_or_default();
            vec![journal::at_step(name, step + usize::from(resolution == Resolution::Applied), None)]
        }
        (Failed | Edited | Missing, Resolution::RolledBack, _) => {
            history.entries.remove(name);
            vec![journal::gone(name)]
        }
        (Failed | Edited | Missing | Pending | Inserted | Renamed, Resolution::Applied, Some(migration)) => {
            let old: Vec<String> = former_names(&history, name);
            for old in &old {
                history.entries.remove(old);
            }
            let adopted = history.entries.get(name).is_some_and(|entry| entry.adopted);
            let sum = checksum(migration, migrations.engine());
            history.entries.insert(name.to_owned(), Entry::applied(name, sum, adopted));
            let gone = old.iter().map(|old| journal::gone(old));
            gone.chain([journal::applied(migrations.engine(), migration, "", adopted)]).collect()
        }
        (Applied | Unknown | Pending | Inserted | Renamed | Missing | Failed | Edited, _, _) => return nothing,
    };
    changes.extend(journal::rechained(&history.entries));
    Ok(changes)
}

/// The names that this migration is recorded under and this version does not know.
fn former_names(history: &History, name: &str) -> Vec<String> {
    history.entries.keys().filter(|old| history.new_name(old) == Some(name)).cloned().collect()
}
