//! Corrects the records after a failure that a person has investigated.

use serde_json::json;

use crate::error::{Error, Refusal, Result};
use crate::history::checksum::checksum;
use crate::history::journal::{self, Entry};
use crate::history::record;
use crate::history::{History, MigrationState};
use crate::session::Migrations;
use crate::{guard, operator};

/// The outcome of the investigation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resolution {
    /// The schema contains the migration: it counts as applied, and a statement in doubt counts as done.
    Applied,
    /// The schema does not contain the migration: it counts as pending, and a statement in doubt runs again. The record
    /// of a migration that this version does not know is removed.
    RolledBack,
}

impl Migrations {
    /// Corrects the records after a failure that a person has investigated.
    ///
    /// Leaves the schema unchanged and writes to the audit log. Fails for an unknown name, and for a migration whose
    /// state needs no correction.
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
        return Err(Error::Usage("a reason is required for the audit log".to_owned()));
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

/// Returns the statements that correct the record and its chain.
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

/// Returns the names under which this migration is recorded and which this version does not know.
fn former_names(history: &History, name: &str) -> Vec<String> {
    history.entries.keys().filter(|old| history.new_name(old) == Some(name)).cloned().collect()
}
