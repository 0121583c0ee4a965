//! The door to everything here: one connection, and what can be done with it.

use std::borrow::Cow;
use std::time::Duration;

use crate::adopt::{self, AdoptOptions, Adoption, Catalog};
use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::mark::{self, Environment, Mark};
use crate::migrations::{MIGRATIONS, Migration};
use crate::record::{self, MigrationStatus};
use crate::runner::{Direction, Run};
use crate::step::{Engine, Target};
use crate::{guard, lock, walls};

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wait: Duration::from_mins(10),
            lock_timeout: Duration::from_secs(2),
            patience: Duration::from_mins(10),
            attempts: 20,
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
#[derive(Debug)]
pub struct Migrations {
    pub(crate) connection: Connection,
    pub(crate) options: Options,
}

impl Migrations {
    /// Connects. On PostgreSQL go past a transaction-mode pooler: locks and settings are the session's.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, Options::default()).await
    }

    /// Connects, with other waits.
    pub async fn connect_with(url: &str, options: Options) -> Result<Self> {
        Ok(Self { connection: Connection::open(url).await?, options })
    }

    /// Which engine it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.connection.engine()
    }

    /// Applies what is pending; the names of what this call applied. Any number of processes may call it at once.
    pub async fn deploy(&mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Vec<String>> {
        let complete = record::pending(&mut self.connection).await?.is_empty();
        if complete && !walls::can_be_mended(&mut self.connection).await? {
            walls::tell(&mut self.connection, progress).await?;
            return Ok(Vec::new());
        }
        self.lock(progress).await?;
        let outcome = self.deploy_locked(progress).await;
        self.unlock().await;
        outcome
    }

    /// Every migration and how it stands. Reads only.
    pub async fn status(&mut self) -> Result<Vec<MigrationStatus>> {
        record::status(&mut self.connection).await
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

    /// Takes over a live database that Prisma made.
    pub async fn adopt(
        &mut self,
        options: AdoptOptions,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Adoption> {
        adopt::adopt(self, options, progress).await
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

    /// What keeps row-level security from binding this database, in words; `None` where it does, and on SQLite, which
    /// has none. Reads only.
    pub async fn missing_wall(&mut self) -> Result<Option<String>> {
        walls::missing(&mut self.connection).await
    }

    /// The schema as it is. PostgreSQL.
    pub async fn catalog(&mut self) -> Result<Catalog> {
        Catalog::read(&mut self.connection).await
    }

    /// The database's mark; `None` where there is none. Reads only.
    pub async fn mark(&mut self) -> Result<Option<Mark>> {
        mark::read(&mut self.connection).await
    }

    /// Marks what the database is used for; `false` where there is no mark yet, before the first `deploy`.
    pub async fn mark_environment(&mut self, environment: Environment) -> Result<bool> {
        mark::set_environment(&mut self.connection, environment).await
    }

    /// On SQLite each migration's transaction is the lock.
    pub(crate) async fn lock(&mut self, progress: Listener<'_>) -> Result<()> {
        match self.engine() {
            Engine::Postgres => lock::acquire(&mut self.connection, self.options.wait, progress).await,
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
        guard::refuse_unadopted(&mut self.connection).await?;
        guard::become_owner(&mut self.connection).await?;
        record::install(&mut self.connection).await?;
        let mut applied = Vec::new();
        for migration in record::pending(&mut self.connection).await? {
            if self.run(migration, Direction::Up, &[], progress).await? {
                applied.push(migration.name().to_owned());
            }
        }
        walls::build(self, progress).await?;
        Ok(applied)
    }

    async fn down_locked(&mut self, steps: usize, progress: Listener<'_>) -> Result<Vec<String>> {
        guard::refuse_production(&mut self.connection).await?;
        guard::refuse_newer(&mut self.connection).await?;
        guard::become_owner(&mut self.connection).await?;
        let applied = record::applied(&mut self.connection).await?;
        let newest_first =
            MIGRATIONS.iter().rev().filter(|migration| applied.iter().any(|name| name == migration.name()));
        let mut gone = Vec::new();
        for migration in newest_first.take(steps) {
            if self.run(*migration, Direction::Down, &[], progress).await? {
                gone.push(migration.name().to_owned());
            }
        }
        Ok(gone)
    }

    async fn reset_locked(&mut self, progress: Listener<'_>) -> Result<Vec<String>> {
        guard::refuse_foreign(&mut self.connection).await?;
        guard::refuse_production(&mut self.connection).await?;
        self.forget_events().await?;
        self.down_locked(MIGRATIONS.len(), progress).await?;
        record::uninstall(&mut self.connection).await?;
        self.deploy_locked(progress).await
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
        Ok(())
    }

    pub(crate) async fn run(
        &mut self,
        migration: &'static dyn Migration,
        direction: Direction,
        epilogue: &[&str],
        progress: Listener<'_>,
    ) -> Result<bool> {
        let Self { connection, options } = self;
        Run { connection, options, migration, direction, epilogue }.go(progress).await
    }

    pub(crate) async fn run_again(&mut self, migration: &'static dyn Migration, progress: Listener<'_>) -> Result<()> {
        let Self { connection, options } = self;
        Run { connection, options, migration, direction: Direction::Up, epilogue: &[] }.again(progress).await
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
