//! The door to everything here: one connection, and what can be done with it.

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

/// How long to wait for what.
#[derive(Clone, Debug)]
pub struct Options {
    /// For another migration of the same database to end.
    pub wait: Duration,
    /// For a lock that others would queue behind, each time. PostgreSQL.
    pub lock_timeout: Duration,
    /// For other transactions to end where nobody queues behind (`… CONCURRENTLY`). PostgreSQL.
    pub patience: Duration,
    /// How often a statement that did not get its locks is tried. PostgreSQL.
    pub attempts: u32,
    /// Between two looks of a second connection whether the server is still at work on a statement, which has no time limit.
    /// Three that find it gone end the deploy. PostgreSQL.
    pub look: Duration,
    /// For one batch of rows, whose writers wait as long. A batch that takes longer is undone and tried again with half as
    /// many rows. PostgreSQL.
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

/// What is being done, for a progress bar or a log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another process is migrating this database.
    Waiting {
        /// Its number on the server.
        holder: Option<i32>,
    },
    /// A migration begins.
    Started {
        /// Its name.
        migration: &'a str,
        /// How many steps it has.
        steps: usize,
    },
    /// A step of it begins.
    Step {
        /// Its name.
        migration: &'a str,
        /// Counted from one.
        step: usize,
        /// What is sent.
        statement: &'a str,
    },
    /// A batch of a step is committed.
    Rows {
        /// Its name.
        migration: &'a str,
        /// Counted from one.
        step: usize,
        /// How many rows the step has looked at so far.
        done: u64,
        /// How many there are, by the server's estimate; `None` where it has none.
        of: Option<u64>,
    },
    /// It is applied, or taken back.
    Finished {
        /// Its name.
        migration: &'a str,
    },
    /// Everything is applied, and row-level security does not bind the database all the same: this login may not make
    /// what is missing. A later deploy by one that may does so.
    WithoutWall {
        /// What is missing.
        reason: &'a str,
    },
}

/// Where progress is told.
pub(crate) type Listener<'a> = &'a mut (dyn FnMut(Progress<'_>) + Send);

/// The migrations of one database, over one connection of their own.
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
    /// Connects. On PostgreSQL go past a transaction-mode pooler: locks and settings are the session's.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, Options::default()).await
    }

    /// Connects, with other waits.
    pub async fn connect_with(url: &str, options: Options) -> Result<Self> {
        let connection = Connection::open(url).await?.looking_every(options.look);
        Ok(Self { connection, options, list: MIGRATIONS })
    }

    /// Connects to look only, as for [`status`](Self::status): takes no right beyond reading, PostgreSQL refuses whatever
    /// would write, and a SQLite file that does not exist is taken for an empty database and not made.
    pub async fn connect_to_read(url: &str) -> Result<Self> {
        Ok(Self { connection: Connection::open_to_read(url).await?, options: Options::default(), list: MIGRATIONS })
    }

    /// With another list instead of [`MIGRATIONS`], to try migrations before they are in it. It begins with ours: a database is
    /// built upon only where the base is on record.
    #[must_use]
    pub fn with_list(self, list: &'static [&'static dyn Migration]) -> Self {
        Self { list, ..self }
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.connection.engine()
    }

    /// Applies what is pending; the names of what this call applied. Any number of processes may call it at once. A
    /// migration that was interrupted goes on at its step. Refused where what is applied is not what this version has
    /// ([`Refusal::Edited`] and its like), and where a statement is in doubt.
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

    /// A service may deploy at each start, with a login that may change nothing, where nothing is to be done.
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

    /// Every migration and how it stands. Reads only.
    pub async fn status(&mut self) -> Result<Vec<MigrationStatus>> {
        Ok(self.history().await?.states())
    }

    /// Whether Prisma made this database and it was not taken over yet: [`adopt`](Self::adopt) it, do not deploy. Reads only.
    pub async fn needs_adoption(&mut self) -> Result<bool> {
        guard::is_prismas(&mut self.connection).await
    }

    pub(crate) async fn history(&mut self) -> Result<History> {
        History::read(&mut self.connection, self.list).await
    }

    /// Takes back the newest applied ones; the names in the order they went. Refused in production.
    pub async fn down(&mut self, steps: usize, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.down_locked(steps, progress).await;
        self.unlock().await;
        outcome
    }

    /// Takes back everything and applies it again: an empty database of ours. Refused in production and where the
    /// database is not ours.
    pub async fn reset(&mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<String>> {
        self.lock(progress).await?;
        let outcome = self.reset_locked(progress).await;
        self.unlock().await;
        outcome
    }

    /// Ends the coexistence with the old service, which usually logs in as the tables' owner: row-level security binds
    /// the owner from here on. Deploys first what is pending. `false` if it had ended before.
    pub async fn finish_adoption(&mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<bool> {
        if self.engine() == Engine::Sqlite {
            return Err(Refusal::NotPostgres.into());
        }
        self.lock(progress).await?;
        let outcome = walls::finish_adoption(self, progress).await;
        self.unlock().await;
        outcome
    }

    /// The logins that have rights on the old service's tables, and what each loses when the adoption is finished. Reads only;
    /// PostgreSQL.
    pub async fn logins(&mut self) -> Result<Vec<LoginRights>> {
        coexistence::logins(&mut self.connection).await
    }

    /// Those of them that lose something when the adoption is finished; none once it is. Reads only; PostgreSQL.
    pub async fn losing_logins(&mut self) -> Result<Vec<LoginRights>> {
        coexistence::losing(&mut self.connection).await
    }

    /// Refused while a login that would lose something has a session open ([`Refusal::OpenSessions`]). Reads only; PostgreSQL.
    pub async fn refuse_open_sessions(&mut self) -> Result<()> {
        coexistence::refuse_open_sessions(&mut self.connection).await
    }

    /// What keeps row-level security from binding this database, in words; `None` where it does, and on SQLite, which
    /// has none. Reads only.
    pub async fn missing_wall(&mut self) -> Result<Option<String>> {
        walls::missing(&mut self.connection).await
    }

    /// The database's mark; `None` where there is none. Reads only.
    pub async fn mark(&mut self) -> Result<Option<Mark>> {
        mark::read(&mut self.connection).await
    }

    /// Marks what the database is used for. To leave production takes a reason. Each change goes into the audit log, in
    /// the same transaction. Takes the tables' owner, a member of that role, or a superuser; no door's role may do it.
    pub async fn mark_environment(&mut self, environment: Environment, reason: Option<&str>) -> Result<Mark> {
        self.refuse_strangers().await?;
        mark::set_environment(&mut self.connection, environment, reason).await
    }

    /// Returns the first table, but those of extensions and of the migrations' record; `None` for an empty database. Reads only.
    pub async fn first_table(&mut self) -> Result<Option<String>> {
        guard::first_table(&mut self.connection).await
    }

    /// Gives the database a fingerprint of its own, for a copy that must not be taken for the original. Audited.
    pub async fn renew_fingerprint(&mut self) -> Result<Mark> {
        self.refuse_strangers().await?;
        mark::renew_fingerprint(&mut self.connection).await
    }

    /// Refused where the database is marked as production, or has no mark. `doing` goes into the message: "erase a tenant".
    pub async fn guard_destructive(&mut self, doing: &str) -> Result<()> {
        guard::guard_destructive(self.mark().await?.map(|mark| mark.environment), doing)
    }

    /// Refused where the database has another fingerprint, or none.
    pub async fn guard_fingerprint(&mut self, expected: &str) -> Result<()> {
        guard::guard_fingerprint(self.mark().await?.map(|mark| mark.fingerprint), expected)
    }

    /// Makes the logins of a service and of readers, with no right beyond what they are for. Done twice it changes
    /// nothing. It goes into the audit log. PostgreSQL.
    pub async fn provision(&mut self, wanted: &Provision) -> Result<Vec<Provisioned>> {
        self.refuse_strangers().await?;
        roles::provision(&mut self.connection, wanted).await
    }

    /// The logins that were provisioned, and those that read every row for backups. Reads only; PostgreSQL.
    pub async fn provisioned(&mut self) -> Result<Vec<Provisioned>> {
        let mut logins = roles::provisioned(&mut self.connection).await?;
        logins.extend(roles::provisioned_for_backups(&mut self.connection).await?);
        Ok(logins)
    }

    /// Why the walls do not bind the login of this connection; `None` where they do. Reads only.
    pub async fn exempt_login(&mut self) -> Result<Option<String>> {
        roles::exempt(&mut self.connection).await
    }

    /// Whether the walls hold for the login of this connection, and the audit log for everybody. Reads only; on SQLite,
    /// which has no roles, nothing is checked.
    pub async fn check_roles(&mut self) -> Result<Vec<RoleCheck>> {
        roles::check(&mut self.connection).await
    }

    /// On SQLite each migration's transaction is the lock.
    pub(crate) async fn lock(&mut self, progress: Listener<'_>) -> Result<()> {
        match self.engine() {
            Engine::Postgres => lock::acquire(&mut self.connection, self.options.wait, progress).await,
            // Another application's file is refused later, and is to be as it was.
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
            // Before row-level security binds the old service's logins, they have what lets them pass.
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

    /// The first thing that is asked, as whoever owns the tables by now: what others made is not read, called or altered.
    pub(crate) async fn refuse_strangers(&mut self) -> Result<()> {
        self.connection.become_owner().await?;
        owners::refuse_strangers(&mut self.connection).await
    }

    /// Whoever may not alter the tables is told so before anything is begun.
    async fn become_owner(&mut self) -> Result<()> {
        self.connection.become_owner().await?;
        guard::refuse_not_owner(&mut self.connection).await?;
        guard::refuse_exempt(&mut self.connection).await
    }

    /// What an earlier version applied has no checksum: it is taken to be what this version has.
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

    /// The base of an adopted database was not made by us and is not taken away by us: only the record of it goes.
    async fn leave(&mut self, migration: &'static dyn Migration) -> Result<bool> {
        let sql = journal::gone(migration.name());
        self.connection.execute(&sql).await.map_err(Error::doing("forgetting the adoption"))?;
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

    /// A reset empties an adopted database too.
    async fn forget_adoption(&mut self) -> Result<()> {
        if self.history().await?.entries.is_empty() {
            return Ok(());
        }
        let sql = "UPDATE rylie_migrations SET adopted = false WHERE adopted";
        self.connection.execute(sql).await.map_err(Error::doing("forgetting the adoption before the reset"))
    }

    /// The log's old foreign key does not come back over events of actors who are no users; a reset loses them anyway.
    async fn forget_events(&mut self) -> Result<()> {
        let failed = Error::doing("emptying the audit log before the reset");
        if self.connection.has_table("AuditLog").await.map_err(&failed)? {
            // A policy in force hides rows from a `DELETE`, also the owner's; `TRUNCATE` takes them all.
            // The triggers that forbid it go first: the reset takes them back anyway.
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

    /// The migrations that a deploy would apply, oldest first. Reads only.
    pub async fn pending(&mut self) -> Result<Vec<&'static dyn Migration>> {
        Ok(self.history().await?.pending())
    }
}

/// Readers and one writer side by side. The change of mode needs the file for itself for a moment and does not wait
/// for it, so it is tried again; once made it is kept in the file.
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

/// `SQLITE_BUSY`, extended codes included.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
    code.and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}
