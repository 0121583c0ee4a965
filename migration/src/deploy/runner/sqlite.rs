//! A migration on SQLite: one transaction, under the write lock.

use super::{Failure, Run};
use crate::error::{Error, Result};
use crate::history::{journal, record};
use crate::step::{self, Direction, Engine, Step, Target};

impl Run<'_> {
    /// Runs the migration in one transaction. Foreign keys are off, because dropping a table would affect the rows that
    /// refer to it, and are checked before the commit. `BEGIN IMMEDIATE` takes the write lock, which keeps two
    /// processes apart.
    pub(super) async fn on_sqlite(&mut self, steps: &[Step]) -> Result<bool> {
        let failed = Error::doing("beginning a migration; another process may be writing, retry when it is done");
        self.connection.execute("PRAGMA foreign_keys = OFF").await.map_err(&failed)?;
        self.connection.execute("BEGIN IMMEDIATE").await.map_err(&failed)?;
        let outcome = self.inside_sqlite(steps).await;
        let end = if matches!(outcome, Ok(true)) { "COMMIT" } else { "ROLLBACK" };
        let ended = self.connection.execute(end).await.map_err(Error::doing("ending a migration"));
        self.connection.execute("PRAGMA foreign_keys = ON").await.map_err(Error::doing("ending a migration"))?;
        let done = outcome?;
        ended.map(|()| done)
    }

    async fn inside_sqlite(&mut self, steps: &[Step]) -> Result<bool> {
        let applied = record::applied(self.connection).await?.iter().any(|name| name == self.migration.name());
        if applied == (self.direction == Direction::Up) {
            return Ok(false);
        }
        let entries = journal::entries(self.connection).await?;
        self.report_journal(journal::begin(Engine::Sqlite, self.migration, self.direction, 0)).await?;
        self.refuse_other_shapes(steps).await?;
        let all = [steps, &self.ending(&self.link_before(&entries))].concat();
        for (step, sql) in all.iter().enumerate() {
            let done = step::apply(self.connection, sql).await;
            done.map_err(|source| self.error(&all, Failure { step, source }, 1, Vec::new()))?;
        }
        self.verify().await?;
        let orphan = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";
        match self.connection.value(orphan).await.map_err(Error::doing("checking the foreign keys"))? {
            Some(table) => Err(Error::Orphans { migration: self.migration.name(), table }),
            None => Ok(true),
        }
    }
}
