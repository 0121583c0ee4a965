//! Migrating: applying, reverting and inspecting the migrations of a database.

pub(crate) mod aside;
pub(crate) mod coexistence;
mod dependents;
mod down;
pub(crate) mod leftovers;
pub(crate) mod lock;
pub(crate) mod row_security;
pub(crate) mod runner;
pub(crate) mod triggers;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history::{History, MigrationStatus};
use crate::history::{journal, record};
use crate::marker::{self, Mark};
use crate::migrations::{BASE, MARK, Migration};
use crate::options::{DeployProgress, Listener};
use crate::roles::grants;
use crate::roles::{self, Provisioned};
use crate::session::Migrations;
use crate::step::{Direction, Engine, Target};
use crate::{guard, owners};
use coexistence::LoginRights;
use runner::Run;

pub(crate) use down::Log;

impl Migrations {
    /// Applies the pending migrations and returns the names of those that this call applied.
    ///
    /// Any number of processes may call it concurrently. An interrupted migration continues at its step. Refused if the
    /// applied migrations differ from this version's ([`Refusal::Edited`](crate::Refusal::Edited) and similar), or if a
    /// statement is in doubt.
    pub async fn deploy(&mut self, progress: &mut (dyn FnMut(DeployProgress<'_>) + Send)) -> Result<Vec<String>> {
        let work = self.is_work_left().await;
        if !self.explained(work)? {
            row_security::report(&mut self.connection, progress).await?;
            return Ok(Vec::new());
        }
        self.lock(progress).await?;
        let outcome = self.deploy_locked(progress).await;
        self.unlock().await;
        self.explained(outcome)
    }

    /// Returns whether a deploy has something to do. A service may thus deploy at each start with a login that may
    /// change nothing.
    async fn is_work_left(&mut self) -> Result<bool> {
        owners::refuse_strangers(&mut self.connection).await?;
        let history = self.history().await?;
        history.refuse_altered()?;
        Ok(!history.pending().is_empty()
            || !history.without_entry().is_empty() && guard::may_create(&mut self.connection).await?
            || leftovers::are_there(&mut self.connection).await?
            || row_security::can_be_fixed(&mut self.connection).await?.is_some()
            || coexistence::can_be_settled(&mut self.connection).await?
            || grants::can_be_settled(&mut self.connection).await?)
    }

    /// Returns every migration with its state. Reads only.
    pub async fn status(&mut self) -> Result<Vec<MigrationStatus>> {
        Ok(self.history().await?.states())
    }

    /// Returns whether Prisma created this database and it is not adopted yet: then [`adopt`](Self::adopt) it instead
    /// of deploying. Reads only.
    pub async fn needs_adoption(&mut self) -> Result<bool> {
        guard::is_prismas(&mut self.connection).await
    }

    pub(crate) async fn history(&mut self) -> Result<History> {
        History::read(&mut self.connection, Arc::clone(&self.list)).await
    }

    /// Returns the logins with rights on the old service's tables, and what each loses when the adoption is finished.
    /// Reads only; PostgreSQL.
    pub async fn logins(&mut self) -> Result<Vec<LoginRights>> {
        coexistence::logins(&mut self.connection).await
    }

    /// Returns why row-level security is not in force; `None` if it is, and on SQLite, which has none. Reads only.
    pub async fn missing_row_security(&mut self) -> Result<Option<String>> {
        row_security::missing(&mut self.connection).await
    }

    /// Returns the environment marker; `None` without one. Reads only.
    pub async fn mark(&mut self) -> Result<Option<Mark>> {
        marker::read(&mut self.connection).await
    }

    /// Returns the first table, except those of extensions and of the migration records; `None` for an empty database.
    /// Reads only.
    pub async fn first_table(&mut self) -> Result<Option<String>> {
        guard::first_table(&mut self.connection).await
    }

    /// Fails if the environment marker says production, or if the database has none. The message contains `doing`, for
    /// example "erase a tenant".
    pub async fn guard_destructive(&mut self, doing: &str) -> Result<()> {
        guard::guard_destructive(self.mark().await?.map(|mark| mark.environment), doing)
    }

    /// Fails if the database has another fingerprint, or none.
    pub async fn guard_fingerprint(&mut self, expected: &str) -> Result<()> {
        guard::guard_fingerprint(self.mark().await?.map(|mark| mark.fingerprint), expected)
    }

    /// Returns the provisioned logins, and those that read every row for backups. Reads only; PostgreSQL.
    pub async fn provisioned(&mut self) -> Result<Vec<Provisioned>> {
        let mut logins = roles::provisioned(&mut self.connection).await?;
        logins.extend(roles::provisioned_for_backups(&mut self.connection).await?);
        Ok(logins)
    }

    /// Takes the migration lock. On SQLite, each migration's transaction is the lock.
    pub(crate) async fn lock(&mut self, progress: Listener<'_>) -> Result<()> {
        match self.engine() {
            Engine::Postgres => lock::acquire(&mut self.connection, self.options.wait, progress).await,
            // A later check refuses another application's file, which must stay unchanged.
            Engine::Sqlite if guard::is_foreign(&mut self.connection).await? => Ok(()),
            Engine::Sqlite => lock::use_wal(&mut self.connection).await,
        }
    }

    pub(crate) async fn unlock(&mut self) {
        if self.engine() == Engine::Postgres {
            lock::release(&mut self.connection).await;
        }
    }

    pub(crate) async fn deploy_locked(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        guard::refuse_unadopted(&mut self.connection).await?;
        self.apply_and_report(progress).await
    }

    /// Applies the pending migrations and reports missing row-level security. The caller knows that the tables are ours.
    async fn apply_and_report(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        let applied = self.apply_pending(progress).await?;
        row_security::report(&mut self.connection, progress).await?;
        Ok(applied)
    }

    pub(crate) async fn apply_pending(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        self.refuse_strangers().await?;
        self.become_owner().await?;
        record::install(&mut self.connection).await?;
        journal::install(&mut self.connection).await?;
        self.history().await?.refuse_altered()?;
        self.trust_first_use().await?;
        leftovers::fix(&mut self.connection, &self.options).await?;
        let pending = self.history().await?.pending();
        if !pending.is_empty() {
            roles::suspend_defaults(&mut self.connection).await?;
        }
        let mut applied = Vec::new();
        let mut closed = grants::settle(&mut self.connection).await?;
        for migration in &pending {
            // Grant the old service's logins the policy that exempts them before row-level security applies to them.
            if migration.name() == coexistence::BINDS_LOGINS {
                coexistence::settle(self, progress).await?;
            }
            // The marker may have been reverted while the base stayed on record: the old service still uses the tables.
            let adopted = migration.name() == MARK.name() && self.base_is_adopted().await?;
            let epilogue: &[&str] = if adopted { &[marker::ADOPTED] } else { &[] };
            if self.run(*migration, Direction::Up, epilogue, progress).await? {
                applied.push(migration.name().to_owned());
            }
            closed |= grants::settle(&mut self.connection).await?;
        }
        row_security::build(self, progress).await?;
        coexistence::settle(self, progress).await?;
        closed |= grants::settle(&mut self.connection).await?;
        let own = self.own_readable();
        roles::renew(&mut self.connection, closed || !pending.is_empty(), &own).await?;
        owners::refuse_strangers(&mut self.connection).await?;
        Ok(applied)
    }

    async fn base_is_adopted(&mut self) -> Result<bool> {
        Ok(self.history().await?.entries.get(BASE.name()).is_some_and(|entry| entry.adopted))
    }

    /// Fails if other roles own objects under our names. Called first, as the current table owner, so that no such
    /// object is read, called or altered.
    pub(crate) async fn refuse_strangers(&mut self) -> Result<()> {
        self.connection.become_owner().await?;
        owners::refuse_strangers(&mut self.connection).await
    }

    /// Becomes the table owner. Fails before any change if the login may not alter the tables.
    async fn become_owner(&mut self) -> Result<()> {
        self.connection.become_owner().await?;
        guard::refuse_not_owner(&mut self.connection).await?;
        guard::refuse_exempt(&mut self.connection).await
    }

    /// Trusts migrations that an earlier version applied without a checksum: they are assumed to equal this version's.
    async fn trust_first_use(&mut self) -> Result<()> {
        let mut history = self.history().await?;
        let adopted = marker::read(&mut self.connection).await?.is_some_and(|mark| mark.adopted_at.is_some());
        let failed = Error::doing("recording what an earlier version applied");
        for migration in history.without_entry() {
            let previous = journal::link_before(&history.entries, migration.name());
            let found = adopted && migration.name() == BASE.name();
            let sql = journal::applied(self.engine(), migration, &previous, found);
            self.connection.execute(&sql).await.map_err(&failed)?;
            history = self.history().await?;
        }
        Ok(())
    }

    pub(crate) async fn run(
        &mut self,
        migration: &'static dyn Migration,
        direction: Direction,
        epilogue: &[&str],
        progress: Listener<'_>,
    ) -> Result<bool> {
        if direction == Direction::Up && migration.builds_row_security() && self.engine() == Engine::Postgres {
            row_security::unit_roles::open(self).await?;
        }
        let Self { connection, options, .. } = self;
        let restored = if direction == Direction::Up {
            aside::restoration(connection, migration.name()).await?
        } else {
            Vec::new()
        };
        let epilogue: Vec<&str> = epilogue.iter().copied().chain(restored.iter().map(String::as_str)).collect();
        let run = Run { connection, options, migration, direction, previous: None, epilogue: &epilogue };
        run.go(progress).await
    }

    pub(crate) async fn run_again(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<()> {
        row_security::unit_roles::open(self).await?;
        let Self { connection, options, .. } = self;
        Run { connection, options, migration, direction: Direction::Up, previous: None, epilogue: &[] }
            .again(progress)
            .await
    }

    /// Returns the migrations that a deploy would apply, oldest first. Reads only. Refused where the deploy is refused
    /// because of the recorded migrations, of objects of other roles, or of tables that no migration created.
    pub async fn pending(&mut self) -> Result<Vec<&'static dyn Migration>> {
        owners::refuse_strangers(&mut self.connection).await?;
        let history = self.history().await?;
        history.refuse_altered()?;
        let pending = history.pending();
        if !pending.is_empty() {
            guard::refuse_unadopted(&mut self.connection).await?;
        }
        Ok(pending)
    }
}
