//! Reverts migrations: the newest ones, or all.

use super::{DeployProgress, Listener, Migrations, coexistence};
use crate::error::{Error, Result};
use crate::history::{journal, record};
use crate::migrations::Migration;
use crate::step::{Direction, Engine, Target};
use crate::{guard, operator};

impl Migrations {
    /// Reverts the newest applied migrations and returns their names in that order. Refused in production.
    pub async fn down(
        &mut self,
        steps: usize,
        progress: &mut (dyn FnMut(DeployProgress<'_>) + Send),
    ) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.down_locked(steps, progress).await;
        self.unlock().await;
        outcome
    }

    /// Reverts all migrations and applies them again, which leaves an empty database. Refused in production, and if the
    /// database is not ours.
    pub async fn reset(&mut self, progress: &mut (dyn FnMut(DeployProgress<'_>) + Send)) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.reset_locked(progress).await;
        self.unlock().await;
        outcome
    }

    async fn down_locked(&mut self, steps: usize, progress: Listener<'_>) -> Result<Vec<String>> {
        self.refuse_strangers().await?;
        guard::refuse_production(&mut self.connection).await?;
        guard::refuse_newer(&mut self.connection, &self.list).await?;
        self.become_owner().await?;
        let history = self.history().await?;
        history.refuse_altered()?;
        let list = std::sync::Arc::clone(&self.list);
        let newest_first = list.iter().rev().filter(|migration| history.is_applied(migration.name()));
        let mut gone = Vec::new();
        for migration in newest_first.take(steps) {
            let found = history.entries.get(migration.name()).is_some_and(|entry| entry.adopted);
            let done = if found { self.leave(*migration).await? } else { self.take_back(*migration, progress).await? };
            if done {
                gone.push(migration.name().to_owned());
            }
        }
        Ok(gone)
    }

    async fn take_back(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<bool> {
        if migration.name() == operator::NEEDS_USERS {
            operator::set_events_aside(&mut self.connection).await?;
        }
        let done = self.run(migration, Direction::Down, &[], progress).await?;
        if migration.name() == coexistence::BINDS_LOGINS {
            coexistence::close(self, progress).await?;
        }
        Ok(done)
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
        self.down_locked(self.list.len(), progress).await?;
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
        operator::forget_events(&mut self.connection).await
    }
}
