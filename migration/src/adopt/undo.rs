//! The way back from an adoption to the base that Prisma created.

mod losses;

use serde_json::json;

use super::Migrations;
use crate::deploy::{Log, aside};
use crate::error::{Refusal, Result};
use crate::history::History;
use crate::marker::{self, State};
use crate::migrations::{BASE, Migration};
use crate::options::{DeployProgress, Listener};
use crate::{guard, operator};

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
        let losses = read_losses(self).await;
        self.explained(losses)
    }

    /// Reverts all migrations of an adopted database and leaves the base that Prisma created, with every row of its
    /// tables. Returns the reverted migrations, newest first; none if an earlier call was complete.
    ///
    /// The old service works before, during and after it: each statement waits briefly for its lock, as in a deploy.
    /// An interrupted call is continued by the next one. The environment marker does not prevent it, since the old
    /// service's data stays. Stop the new service first: its units fail while migrations are reverted.
    ///
    /// The audit log and its seals are kept as by [`down`](Self::down), and the next adoption restores them.
    ///
    /// Fails with [`Refusal::NothingToUndo`] for a database that was not adopted, with [`Refusal::Finished`] after
    /// `adopt --finish`, with [`Refusal::Newer`] if a later version migrated it, and with [`Refusal::Dependents`] if other
    /// objects depend on what would be dropped.
    pub async fn undo_adoption(
        &mut self,
        progress: &mut (dyn FnMut(DeployProgress<'_>) + Send),
    ) -> Result<Vec<String>> {
        self.connection.refuse_sqlite()?;
        self.lock(progress).await?;
        let outcome = undo_locked(self, progress).await;
        self.unlock().await;
        self.explained(outcome)
    }
}

async fn read_losses(migrations: &mut Migrations) -> Result<UndoLosses> {
    migrations.refuse_strangers().await?;
    match undoable(migrations).await? {
        Undoable::Adopted => {
            let (newest_first, history) = reverted(migrations).await?;
            let objects = migrations.going_with(&newest_first, &history).await?;
            Ok(UndoLosses { objects, ..losses::read(&mut migrations.connection).await? })
        }
        Undoable::Undone => Ok(UndoLosses::default()),
    }
}

/// Returns the migrations that an undo reverts, newest first. Fails if it could not be completed.
async fn reverted(migrations: &mut Migrations) -> Result<(Vec<&'static dyn Migration>, History)> {
    guard::refuse_newer(&mut migrations.connection, &migrations.list).await?;
    let history = migrations.history().await?;
    history.refuse_altered()?;
    guard::refuse_not_owner(&mut migrations.connection).await?;
    guard::refuse_exempt(&mut migrations.connection).await?;
    // An interrupted adoption has begun a migration that is not applied.
    let begun = |name: &str| history.is_applied(name) || history.entries.contains_key(name);
    let newest_first: Vec<&'static dyn Migration> =
        migrations.list.iter().copied().rev().filter(|migration| begun(migration.name())).collect();
    migrations.refuse_dependents(&newest_first, &history).await?;
    Ok((newest_first, history))
}

async fn undo_locked(migrations: &mut Migrations, progress: Listener<'_>) -> Result<Vec<String>> {
    migrations.refuse_strangers().await?;
    if let Undoable::Undone = undoable(migrations).await? {
        return Ok(Vec::new());
    }
    let (newest_first, history) = reverted(migrations).await?;
    let details = json!({ "to": BASE.name() });
    operator::change(&mut migrations.connection, &[], "ADOPTION_UNDONE", "rylie_database", &details).await?;
    migrations.revert(newest_first, &history, Log::Kept, progress).await
}

async fn undoable(migrations: &mut Migrations) -> Result<Undoable> {
    migrations.connection.refuse_sqlite()?;
    let adopted = migrations.history().await?.entries.get(BASE.name()).is_some_and(|entry| entry.adopted);
    let connection = &mut migrations.connection;
    if !adopted {
        let undone = guard::is_prismas(connection).await? && aside::has_records(connection).await?;
        return if undone { Ok(Undoable::Undone) } else { Err(Refusal::NothingToUndo.into()) };
    }
    match marker::read(connection).await? {
        Some(mark) if mark.state == State::Fresh => Err(Refusal::Finished.into()),
        _ => Ok(Undoable::Adopted),
    }
}
