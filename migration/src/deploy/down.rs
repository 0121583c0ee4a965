//! Reverts migrations: the newest ones, or all.

use std::time::Duration;

use super::lock::Backoff;
use super::runner::is_transient;
use super::{DeployProgress, Listener, Migrations, aside, coexistence, dependents};
use crate::error::{Error, Result};
use crate::history::{History, journal, record};
use crate::migrations::Migration;
use crate::roles::{self, grants};
use crate::step::{Direction, Engine, Target};
use crate::{guard, operator};

/// The migration that creates the record of the provisioned logins.
const LOGINS: &str = "m20261124_000015_create_logins";

/// Whether the audit log is kept for a later deploy.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Log {
    /// Copied to tables of its own.
    Kept,
    /// Emptied already, as a reset does.
    Lost,
}

impl Migrations {
    /// Reverts the newest applied migrations and returns their names in that order. Refused in production, and if other
    /// objects depend on what would be dropped ([`Refusal::Dependents`](crate::Refusal::Dependents)).
    ///
    /// The audit log is not lost. The parts that the older schema cannot hold are copied to tables whose names begin
    /// with `rylie_aside_`. The next [`deploy`](Self::deploy) or [`adopt`](Self::adopt) restores them.
    pub async fn down(
        &mut self,
        steps: usize,
        progress: &mut (dyn FnMut(DeployProgress<'_>) + Send),
    ) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.down_locked(steps, Log::Kept, progress).await;
        self.unlock().await;
        self.explained(outcome)
    }

    /// Reverts all migrations and applies them again, which leaves an empty database. Refused in production, and if the
    /// database is not ours.
    pub async fn reset(&mut self, progress: &mut (dyn FnMut(DeployProgress<'_>) + Send)) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.reset_locked(progress).await;
        self.unlock().await;
        self.explained(outcome)
    }

    async fn down_locked(&mut self, steps: usize, log: Log, progress: Listener<'_>) -> Result<Vec<String>> {
        self.refuse_strangers().await?;
        guard::refuse_production(&mut self.connection).await?;
        guard::refuse_newer(&mut self.connection, &self.list).await?;
        self.become_owner().await?;
        let history = self.history().await?;
        history.refuse_altered()?;
        let newest_first = self.list.iter().copied().rev().filter(|migration| history.is_applied(migration.name()));
        let newest: Vec<_> = newest_first.take(steps).collect();
        self.refuse_dependents(&newest, &history).await?;
        self.revert(newest, &history, log, progress).await
    }

    /// Fails if an object that no migration made depends on what the reversal of these migrations drops. Reads only.
    pub(crate) async fn refuse_dependents(
        &mut self,
        migrations: &[&'static dyn Migration],
        history: &History,
    ) -> Result<()> {
        dependents::refuse(&mut self.connection, &made(migrations, history)).await
    }

    /// Returns the indexes, constraints and statistics of others that go with what would be dropped.
    pub(crate) async fn going_with(
        &mut self,
        migrations: &[&'static dyn Migration],
        history: &History,
    ) -> Result<Vec<String>> {
        dependents::going(&mut self.connection, &made(migrations, history)).await
    }

    /// Reverts these migrations, newest first. The caller has made the checks and holds the lock.
    pub(crate) async fn revert(
        &mut self,
        migrations: Vec<&'static dyn Migration>,
        history: &History,
        log: Log,
        progress: Listener<'_>,
    ) -> Result<Vec<String>> {
        let mut gone = Vec::new();
        for migration in migrations {
            // Only the base can be found and not made, and it is the oldest.
            let done = if is_found(history, migration) {
                // An interrupted call may have ended between the two.
                coexistence::close(self, progress).await?;
                self.leave(migration).await?
            } else {
                self.take_back(migration, log, progress).await?
            };
            if done {
                gone.push(migration.name().to_owned());
            }
        }
        Ok(gone)
    }

    async fn take_back(&mut self, migration: &'static dyn Migration, log: Log, progress: Listener<'_>) -> Result<bool> {
        let name = migration.name();
        if log == Log::Kept && aside::keep(&mut self.connection, name).await? {
            grants::settle(&mut self.connection).await?;
        }
        if name == LOGINS || name == coexistence::BINDS_LOGINS {
            let own = self.own_readable();
            roles::withdraw(&mut self.connection, &own).await?;
        }
        let done = if name == operator::NEEDS_USERS {
            self.restrict_to_users(migration, progress).await?
        } else {
            self.run(migration, Direction::Down, &[], progress).await?
        };
        if name == coexistence::BINDS_LOGINS {
            coexistence::close(self, progress).await?;
        }
        Ok(done)
    }

    /// Restores the foreign key from the audit log to users, after moving all other records out of the log. A record
    /// that is written meanwhile prevents it, so it is tried again.
    async fn restrict_to_users(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<bool> {
        let mut pause = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        for _ in 1..self.options.attempts {
            match self.try_to_restrict(migration, progress).await {
                Err(Error::Step { source, .. }) if is_foreign_key(&source) => {}
                // The old service holds a lock on the log.
                Err(Error::Database { source, .. }) if is_transient(&source) => tokio::time::sleep(pause.next()).await,
                outcome => return outcome,
            }
        }
        self.try_to_restrict(migration, progress).await
    }

    async fn try_to_restrict(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<bool> {
        let limit = self.options.lock_timeout;
        let failed = Error::doing("limiting the wait for the audit log");
        self.connection.set_lock_timeout(limit).await.map_err(failed)?;
        operator::set_events_aside(&mut self.connection, aside::RECORDS).await?;
        self.run(migration, Direction::Down, &[], progress).await
    }

    /// Deletes only the record of an adopted database's base: we did not create the base, so we do not drop it.
    async fn leave(&mut self, migration: &'static dyn Migration) -> Result<bool> {
        // In one transaction: an interrupted call has left everything or nothing.
        let sql = format!(
            "BEGIN; {}; DROP TABLE IF EXISTS {}, {}; COMMIT",
            journal::gone(migration.name()),
            record::TABLE,
            journal::TABLE
        );
        self.connection.at_once(&sql, "deleting the record of the adoption").await?;
        Ok(true)
    }

    async fn reset_locked(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        self.refuse_strangers().await?;
        guard::refuse_foreign(&mut self.connection).await?;
        guard::refuse_production(&mut self.connection).await?;
        self.become_owner().await?;
        self.forget_events().await?;
        self.forget_adoption().await?;
        self.down_locked(self.list.len(), Log::Lost, progress).await?;
        record::uninstall(&mut self.connection).await?;
        journal::uninstall(&mut self.connection).await?;
        // The marker was ours before the reset, so tables of the user's own do not make the database another one's.
        self.apply_and_report(progress).await
    }

    /// Clears the adoption, since a reset empties an adopted database too.
    async fn forget_adoption(&mut self) -> Result<()> {
        if self.history().await?.entries.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE rylie_migrations SET adopted = false WHERE adopted";
        self.connection.execute(sql).await.map_err(Error::doing("deleting the record of the adoption before the reset"))
    }

    /// Deletes the audit log: its old foreign key cannot be restored while events have actors who are not users. A
    /// reset loses the events anyway.
    async fn forget_events(&mut self) -> Result<()> {
        let failed = Error::doing("emptying the audit log before the reset");
        if self.connection.has_table("AuditLog").await.map_err(&failed)? {
            // A forced policy hides rows from `DELETE`, even from the owner; `TRUNCATE` removes all rows. The triggers
            // that forbid it are dropped first, as the reset reverts them anyway.
            let statements = match self.engine() {
                Engine::Postgres => {
                    ["DROP TRIGGER IF EXISTS \"AuditLog_no_truncate\" ON \"AuditLog\"", "TRUNCATE \"AuditLog\""]
                }
                Engine::Sqlite => ["DROP TRIGGER IF EXISTS \"AuditLog_no_delete\"", "DELETE FROM \"AuditLog\""],
            };
            for sql in statements {
                self.connection.execute(sql).await.map_err(&failed)?;
            }
        }
        aside::forget(&mut self.connection).await?;
        operator::forget_events(&mut self.connection).await
    }
}

/// Returns whether an adoption found the migration's tables instead of creating them.
/// Returns the migrations without a base that was found.
fn made(migrations: &[&'static dyn Migration], history: &History) -> Vec<&'static dyn Migration> {
    migrations.iter().copied().filter(|migration| !is_found(history, *migration)).collect()
}

fn is_found(history: &History, migration: &dyn Migration) -> bool {
    history.entries.get(migration.name()).is_some_and(|entry| entry.adopted)
}

fn is_foreign_key(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}
