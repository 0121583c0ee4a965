//! Reverts migrations: the newest ones, or all.

use super::{DeployProgress, Listener, Migrations, aside, coexistence, dependents};
use crate::error::{Error, Result};
use crate::history::{journal, record};
use crate::migrations::Migration;
use crate::roles::{self, grants};
use crate::step::{Direction, Engine, Target};
use crate::{guard, operator};

/// The migration that creates the record of the provisioned logins.
const LOGINS: &str = "m20261124_000015_create_logins";

/// How many times the old foreign key of the audit log is added. A record that is written meanwhile prevents it.
const ATTEMPTS: u32 = 5;

/// Whether the audit log is kept for a later deploy.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Log {
    Kept,
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
        let list = std::sync::Arc::clone(&self.list);
        let newest_first = list.iter().rev().filter(|migration| history.is_applied(migration.name()));
        let (found, made): (Vec<_>, Vec<_>) = newest_first
            .take(steps)
            .partition(|migration| history.entries.get(migration.name()).is_some_and(|entry| entry.adopted));
        dependents::refuse(&mut self.connection, &made).await?;
        let mut gone = Vec::new();
        for migration in made {
            if self.take_back(*migration, log, progress).await? {
                gone.push(migration.name().to_owned());
            }
        }
        // Only the base can be found and not made, and it is the oldest.
        for migration in found {
            if self.leave(*migration).await? {
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
            roles::withdraw(&mut self.connection).await?;
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

    /// Restores the foreign key from the audit log to users, after moving all other records out of the log.
    async fn restrict_to_users(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<bool> {
        for _ in 1..ATTEMPTS {
            operator::set_events_aside(&mut self.connection, aside::RECORDS).await?;
            match self.run(migration, Direction::Down, &[], progress).await {
                Err(Error::Step { source, .. }) if is_foreign_key(&source) => {}
                outcome => return outcome,
            }
        }
        operator::set_events_aside(&mut self.connection, aside::RECORDS).await?;
        self.run(migration, Direction::Down, &[], progress).await
    }

    /// Deletes only the record of an adopted database's base: we did not create the base, so we do not drop it.
    async fn leave(&mut self, migration: &'static dyn Migration) -> Result<bool> {
        let sql = journal::gone(migration.name());
        self.connection.execute(&sql).await.map_err(Error::doing("deleting the record of the adoption"))?;
        record::uninstall(&mut self.connection).await?;
        journal::uninstall(&mut self.connection).await?;
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

fn is_foreign_key(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
}
