//! Entry point of the crate: a connection and the operations on its database.

pub(crate) mod coexistence;
pub(crate) mod leftovers;
pub(crate) mod lock;
pub(crate) mod runner;
pub(crate) mod walls;

use std::borrow::Cow;
use std::time::Duration;

use crate::connection::{Connection, LOOK};
use crate::error::{Error, Refusal, Result};
use crate::history::{History, MigrationStatus};
use crate::history::{journal, record};
use crate::mark::{self, Environment, Mark};
use crate::migrations::{BASE, MIGRATIONS, Migration};
use crate::roles::grants;
use crate::roles::{self, Provision, Provisioned, RoleCheck};
use crate::step::{Direction, Engine, Target};
use crate::{guard, operator, owners};
use coexistence::LoginRights;
use runner::Run;

/// Time limits and numbers of attempts.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long to wait for another migration of the same database.
    pub wait: Duration,
    /// How long one attempt waits for a lock that other sessions would queue behind. PostgreSQL.
    pub lock_timeout: Duration,
    /// How long a `… CONCURRENTLY` statement waits for other transactions; no session queues behind it. PostgreSQL.
    pub patience: Duration,
    /// How many times a statement is attempted if it does not get its locks. PostgreSQL.
    pub attempts: u32,
    /// How often a second connection checks that the server still executes a statement that has no time limit. Three
    /// consecutive checks without the statement end the deploy. PostgreSQL.
    pub look: Duration,
    /// The time limit of one batch of rows; other writers of these rows wait as long. A batch that exceeds it is rolled
    /// back and retried with half as many rows. PostgreSQL.
    pub batch_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_mins(10),
            lock_timeout: Duration::from_secs(2),
            patience: Duration::from_mins(10),
            attempts: 20,
            look: LOOK,
            batch_timeout: Duration::from_millis(250),
        }
    }
}

/// The progress of an operation, for a progress bar or a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another process is migrating this database.
    Waiting {
        /// The holder's process id on the server.
        holder: Option<i32>,
    },
    /// A migration begins.
    Started {
        /// The migration's name.
        migration: &'a str,
        /// The number of its steps.
        steps: usize,
    },
    /// A step of a migration begins.
    Step {
        /// The migration's name.
        migration: &'a str,
        /// The step's number, from one.
        step: usize,
        /// The statement that is sent.
        statement: &'a str,
    },
    /// A batch of a step was committed.
    Rows {
        /// The migration's name.
        migration: &'a str,
        /// The step's number, from one.
        step: usize,
        /// The number of rows that the step has processed so far.
        done: u64,
        /// The total number of rows as the server estimates it; `None` without an estimate.
        of: Option<u64>,
    },
    /// A migration was applied or reverted.
    Finished {
        /// The migration's name.
        migration: &'a str,
    },
    /// All migrations are applied, but row-level security is not in force: this login may not create what is missing. A
    /// later deploy by a login with the right completes it.
    WithoutWall {
        /// What is missing.
        reason: &'a str,
    },
}

/// The callback that receives progress.
pub(crate) type Listener<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// The migrations of one database, over a dedicated connection.
pub struct Migrations {
    pub(crate) connection: Connection,
    pub(crate) options: Options,
    pub(crate) list: &'static [&'static dyn Migration],
}

impl std::fmt::Debug for Migrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrations").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Migrations {
    /// Connects. On PostgreSQL, bypass a transaction-mode pooler: locks and settings belong to the session.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, Options::default()).await
    }

    /// Connects with other time limits.
    pub async fn connect_with(url: &str, options: Options) -> Result<Self> {
        let connection = Connection::open(url).await?.looking_every(options.look);
        Ok(Self { connection, options, list: MIGRATIONS })
    }

    /// Connects for reading only, as for [`status`](Self::status).
    ///
    /// Needs only the right to read, and PostgreSQL refuses every write. A SQLite file that does not exist counts as an
    /// empty database and is not created.
    pub async fn connect_to_read(url: &str) -> Result<Self> {
        Ok(Self { connection: Connection::open_to_read(url).await?, options: Options::default(), list: MIGRATIONS })
    }

    /// Uses another list instead of [`MIGRATIONS`], to test migrations before they are listed. It must begin with our
    /// list: only a database with the base on record can be migrated.
    #[must_use]
    pub fn with_list(self, list: &'static [&'static dyn Migration]) -> Self {
        Self { list, ..self }
    }

    /// Returns the database engine.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.connection.engine()
    }

    /// Applies the pending migrations and returns the names of those that this call applied.
    ///
    /// Any number of processes may call it concurrently. An interrupted migration continues at its step. Refused if the
    /// applied migrations differ from this version's ([`Refusal::Edited`] and similar), or if a statement is in doubt.
    pub async fn deploy(&mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<String>> {
        if !self.is_work_left().await? {
            walls::tell(&mut self.connection, progress).await?;
            return Ok(Vec::new());
        }
        self.lock(progress).await?;
        let outcome = self.deploy_locked(progress).await;
        self.unlock().await;
        outcome
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
            || walls::can_be_mended(&mut self.connection).await?
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
        History::read(&mut self.connection, self.list).await
    }

    /// Reverts the newest applied migrations and returns their names in that order. Refused in production.
    pub async fn down(&mut self, steps: usize, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.down_locked(steps, progress).await;
        self.unlock().await;
        outcome
    }

    /// Reverts all migrations and applies them again, which leaves an empty database. Refused in production, and if the
    /// database is not ours.
    pub async fn reset(&mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.reset_locked(progress).await;
        self.unlock().await;
        outcome
    }

    /// Ends the coexistence with the old service: row-level security applies to the table owner from now on. The old
    /// service usually logs in as that owner. Deploys pending migrations first. Returns `false` if the coexistence had
    /// ended before.
    pub async fn finish_adoption(&mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<bool> {
        if self.engine() == Engine::Sqlite {
            return Err(Refusal::NotPostgres.into());
        }
        self.lock(progress).await?;
        let outcome = walls::finish_adoption(self, progress).await;
        self.unlock().await;
        outcome
    }

    /// Returns the logins with rights on the old service's tables, and what each loses when the adoption is finished.
    /// Reads only; PostgreSQL.
    pub async fn logins(&mut self) -> Result<Vec<LoginRights>> {
        coexistence::logins(&mut self.connection).await
    }

    /// Returns those of the [`logins`](Self::logins) that lose rows when the adoption is finished; none afterwards.
    /// Reads only; PostgreSQL.
    pub async fn losing_logins(&mut self) -> Result<Vec<LoginRights>> {
        coexistence::losing(&mut self.connection).await
    }

    /// Fails while a login that would lose rows has an open session ([`Refusal::OpenSessions`]). Reads only;
    /// PostgreSQL.
    pub async fn refuse_open_sessions(&mut self) -> Result<()> {
        coexistence::refuse_open_sessions(&mut self.connection).await
    }

    /// Returns why row-level security is not in force; `None` if it is, and on SQLite, which has none. Reads only.
    pub async fn missing_wall(&mut self) -> Result<Option<String>> {
        walls::missing(&mut self.connection).await
    }

    /// Returns the environment marker; `None` without one. Reads only.
    pub async fn mark(&mut self) -> Result<Option<Mark>> {
        mark::read(&mut self.connection).await
    }

    /// Sets the environment marker. Leaving production requires a reason. Each change is recorded in the audit log, in
    /// the same transaction. Only the table owner, a member of that role or a superuser may do it, and none of the
    /// units' roles.
    pub async fn mark_environment(&mut self, environment: Environment, reason: Option<&str>) -> Result<Mark> {
        self.refuse_strangers().await?;
        mark::set_environment(&mut self.connection, environment, reason).await
    }

    /// Gives the database a new fingerprint, so that a copy is not mistaken for the original. Audited.
    pub async fn renew_fingerprint(&mut self) -> Result<Mark> {
        self.refuse_strangers().await?;
        mark::renew_fingerprint(&mut self.connection).await
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

    /// Creates the logins of a service and of readers, with only the rights that they need. Idempotent, and recorded in
    /// the audit log. PostgreSQL.
    pub async fn provision(&mut self, wanted: &Provision) -> Result<Vec<Provisioned>> {
        self.refuse_strangers().await?;
        roles::provision(&mut self.connection, wanted).await
    }

    /// Returns the provisioned logins. Reads only; PostgreSQL.
    pub async fn provisioned(&mut self) -> Result<Vec<Provisioned>> {
        roles::provisioned(&mut self.connection).await
    }

    /// Returns why the isolation layers do not apply to this connection's login; `None` if they do. Reads only.
    pub async fn exempt_login(&mut self) -> Result<Option<String>> {
        roles::exempt(&mut self.connection).await
    }

    /// Checks that the isolation layers apply to this connection's login, and that no login may change the audit log.
    /// Reads only. SQLite has no roles, so nothing is checked there.
    pub async fn check_roles(&mut self) -> Result<Vec<RoleCheck>> {
        roles::check(&mut self.connection).await
    }

    /// Takes the migration lock. On SQLite, each migration's transaction is the lock.
    pub(crate) async fn lock(&mut self, progress: Listener<'_>) -> Result<()> {
        match self.engine() {
            Engine::Postgres => lock::acquire(&mut self.connection, self.options.wait, progress).await,
            // A later check refuses another application's file, which must stay unchanged.
            Engine::Sqlite if guard::is_foreign(&mut self.connection).await? => Ok(()),
            Engine::Sqlite => use_wal(&mut self.connection).await,
        }
    }

    pub(crate) async fn unlock(&mut self) {
        if self.engine() == Engine::Postgres {
            lock::release(&mut self.connection).await;
        }
    }

    pub(crate) async fn deploy_locked(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        let applied = self.apply_pending(progress).await?;
        walls::tell(&mut self.connection, progress).await?;
        Ok(applied)
    }

    pub(crate) async fn apply_pending(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        self.refuse_strangers().await?;
        guard::refuse_unadopted(&mut self.connection).await?;
        self.become_owner().await?;
        record::install(&mut self.connection).await?;
        journal::install(&mut self.connection).await?;
        self.history().await?.refuse_altered()?;
        self.trust_first_use().await?;
        leftovers::mend(&mut self.connection, &self.options).await?;
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
            if self.run(*migration, Direction::Up, &[], progress).await? {
                applied.push(migration.name().to_owned());
            }
            closed |= grants::settle(&mut self.connection).await?;
        }
        walls::build(self, progress).await?;
        coexistence::settle(self, progress).await?;
        closed |= grants::settle(&mut self.connection).await?;
        roles::renew(&mut self.connection, closed || !pending.is_empty()).await?;
        owners::refuse_strangers(&mut self.connection).await?;
        Ok(applied)
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
        let adopted = mark::read(&mut self.connection).await?.is_some_and(|mark| mark.adopted_at.is_some());
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

    async fn down_locked(&mut self, steps: usize, progress: Listener<'_>) -> Result<Vec<String>> {
        self.refuse_strangers().await?;
        guard::refuse_production(&mut self.connection).await?;
        guard::refuse_newer(&mut self.connection, self.list).await?;
        self.become_owner().await?;
        let history = self.history().await?;
        history.refuse_altered()?;
        let newest_first = self.list.iter().rev().filter(|migration| history.is_applied(migration.name()));
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
        self.deploy_locked(progress).await
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

    pub(crate) async fn run(
        &mut self,
        migration: &'static dyn Migration,
        direction: Direction,
        epilogue: &[&str],
        progress: Listener<'_>,
    ) -> Result<bool> {
        if direction == Direction::Up && migration.builds_walls() && self.engine() == Engine::Postgres {
            walls::doors::open(self).await?;
        }
        let Self { connection, options, .. } = self;
        let done = Run { connection, options, migration, direction, previous: None, epilogue }.go(progress).await?;
        if done && direction == Direction::Up && migration.name() == operator::NEEDS_USERS {
            operator::bring_events_back(connection).await?;
        }
        Ok(done)
    }

    pub(crate) async fn run_again(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<()> {
        walls::doors::open(self).await?;
        let Self { connection, options, .. } = self;
        Run { connection, options, migration, direction: Direction::Up, previous: None, epilogue: &[] }
            .again(progress)
            .await
    }

    /// Returns the migrations that a deploy would apply, oldest first. Reads only. Refused where the deploy is refused
    /// because of the recorded migrations or of objects of other roles.
    pub async fn pending(&mut self) -> Result<Vec<&'static dyn Migration>> {
        owners::refuse_strangers(&mut self.connection).await?;
        let history = self.history().await?;
        history.refuse_altered()?;
        Ok(history.pending())
    }
}

/// Switches the file to WAL mode: concurrent readers and one writer. The switch needs exclusive access for a moment and
/// does not wait for it, so it is retried. The mode persists in the file.
async fn use_wal(connection: &mut Connection) -> Result<()> {
    let mut pause = lock::Backoff::new(Duration::from_millis(10), Duration::from_millis(200));
    for _ in 0..100 {
        match connection.execute("PRAGMA journal_mode = WAL").await {
            Err(error) if is_busy(&error) => tokio::time::sleep(pause.next()).await,
            outcome => return outcome.map_err(Error::doing("switching the file to write-ahead logging")),
        }
    }
    Err(Error::Locked { holder: None, waited: Duration::from_secs(20) })
}

/// Returns whether the error is `SQLITE_BUSY`, extended codes included.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}
