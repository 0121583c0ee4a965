//! The way back from an adoption to the base that Prisma created.

mod losses;
mod readers;

use serde_json::json;

use super::Migrations;
use crate::error::{Error, Refusal, Result};
use crate::guard;
use crate::marker::{self, State};
use crate::migrations::BASE;
use crate::operator::{self, Events};
use crate::options::{DeployProgress, Listener};
use crate::roles;
use crate::step::{Engine, Target};

pub use losses::UndoLosses;

/// The rest of an adoption.
enum Undoable {
    /// All of it, or what an interrupted undo has left.
    Adopted,
    /// Nothing: an earlier undo was complete.
    Undone,
}

impl Migrations {
    /// Returns what [`undo_adoption`](Self::undo_adoption) would lose. Refused as it is. Reads only, and counts rows:
    /// some seconds for a large database.
    pub async fn undo_losses(&mut self) -> Result<UndoLosses> {
        self.refuse_strangers().await?;
        match undoable(self).await? {
            Undoable::Adopted => losses::read(&mut self.connection).await,
            Undoable::Undone => Ok(UndoLosses::default()),
        }
    }

    /// Reverts all migrations of an adopted database and leaves the base that Prisma created, with every row of its
    /// tables. Returns the reverted migrations, newest first; none if an earlier call was complete.
    ///
    /// The old service works before, during and after it: each statement waits briefly for its lock, as in a deploy.
    /// An interrupted call is continued by the next one. The environment marker does not prevent it, since the old
    /// service's data stays. Stop the new service first: its units fail while migrations are reverted.
    ///
    /// Fails with [`Refusal::NothingToUndo`] for a database that was not adopted, with [`Refusal::Finished`] after
    /// `adopt --finish`, and with [`Refusal::Newer`] if a later version migrated it.
    pub async fn undo_adoption(
        &mut self,
        progress: &mut (dyn FnMut(DeployProgress<'_>) + Send),
    ) -> Result<Vec<String>> {
        if self.engine() == Engine::Sqlite {
            return Err(Refusal::NotPostgres.into());
        }
        self.lock(progress).await?;
        let outcome = undo_locked(self, progress).await;
        self.unlock().await;
        outcome
    }
}

async fn undo_locked(migrations: &mut Migrations, progress: Listener<'_>) -> Result<Vec<String>> {
    migrations.refuse_strangers().await?;
    if let Undoable::Undone = undoable(migrations).await? {
        return Ok(Vec::new());
    }
    guard::refuse_newer(&mut migrations.connection, migrations.list).await?;
    let history = migrations.history().await?;
    history.refuse_altered()?;
    guard::refuse_not_owner(&mut migrations.connection).await?;
    guard::refuse_exempt(&mut migrations.connection).await?;
    let details = json!({ "to": BASE.name() });
    operator::change(&mut migrations.connection, &[], "ADOPTION_UNDONE", "rylie_database", &details).await?;
    close_logins(migrations, progress).await?;
    // An interrupted adoption has begun a migration that is not applied.
    let begun = |name: &str| history.is_applied(name) || history.entries.contains_key(name);
    let newest_first = migrations.list.iter().copied().rev().filter(|migration| begun(migration.name())).collect();
    migrations.revert(newest_first, &history, Events::OfAllButUsers, progress).await
}

/// Takes the readers' policies and the default rights back, which no migration made.
async fn close_logins(migrations: &mut Migrations, progress: Listener<'_>) -> Result<()> {
    migrations.run_alone(&readers::Close, progress).await?;
    let doing = "revoking the default rights on new tables";
    migrations.connection.execute(&roles::without_defaults()).await.map_err(Error::doing(doing))
}

async fn undoable(migrations: &mut Migrations) -> Result<Undoable> {
    if migrations.engine() == Engine::Sqlite {
        return Err(Refusal::NotPostgres.into());
    }
    let adopted = migrations.history().await?.entries.get(BASE.name()).is_some_and(|entry| entry.adopted);
    let connection = &mut migrations.connection;
    if !adopted {
        let undone = guard::is_prismas(connection).await? && operator::has_events_aside(connection).await?;
        return if undone { Ok(Undoable::Undone) } else { Err(Refusal::NothingToUndo.into()) };
    }
    match marker::read(connection).await? {
        Some(mark) if mark.state == State::Fresh => Err(Refusal::Finished.into()),
        _ => Ok(Undoable::Adopted),
    }
}
