//! Does the steps of one migration: with short waits for locks on PostgreSQL, in one transaction on SQLite.

use std::borrow::Cow;
use std::time::Duration;

use crate::connection::Connection;
use crate::deploy::{Options, Progress};
use crate::error::{Error, Result};
use crate::lock::Backoff;
use crate::migrations::Migration;
use crate::record;
use crate::step::{self, Engine, Step, Target};

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// One way through one migration.
pub(crate) struct Run<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) options: &'a Options,
    pub(crate) migration: &'static dyn Migration,
    pub(crate) direction: Direction,
    /// Done last, in the same transaction if there is one.
    pub(crate) epilogue: &'a [&'a str],
}

/// What went wrong at which step, counted from zero.
struct Failure {
    step: usize,
    source: sqlx::Error,
}

impl Run<'_> {
    /// Does the steps and records it. `false` if, on SQLite, somebody else had done so in the meantime.
    pub(crate) async fn go(mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<bool> {
        let engine = self.connection.engine();
        let name = self.migration.name();
        let mut steps = match self.direction {
            Direction::Up => self.migration.up(engine),
            Direction::Down => self.migration.down(engine),
        };
        steps.push(Step::sql(match self.direction {
            Direction::Up => record::insert(engine, name),
            Direction::Down => record::delete(name),
        }));
        steps.extend(self.epilogue.iter().map(|sql| Step::sql((*sql).to_owned())));
        progress(Progress::Started { migration: name, steps: steps.len() });
        let done = match (engine, self.migration.in_transaction(engine)) {
            (Engine::Sqlite, _) => self.on_sqlite(&steps).await?,
            (Engine::Postgres, true) => self.in_one_transaction(&steps).await.map(|()| true)?,
            (Engine::Postgres, false) => self.step_by_step(&steps, progress).await.map(|()| true)?,
        };
        progress(Progress::Finished { migration: name });
        Ok(done)
    }

    /// Does the steps of an applied migration once more, and records nothing. PostgreSQL.
    pub(crate) async fn again(mut self, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<()> {
        let steps = self.migration.up(Engine::Postgres);
        progress(Progress::Started { migration: self.migration.name(), steps: steps.len() });
        self.step_by_step(&steps, progress).await?;
        progress(Progress::Finished { migration: self.migration.name() });
        Ok(())
    }

    async fn step_by_step(&mut self, steps: &[Step], progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<()> {
        for (number, step) in steps.iter().enumerate() {
            progress(Progress::Step {
                migration: self.migration.name(),
                step: number + 1,
                statement: step.statement(),
            });
            if let Step::Batches(sql) = step {
                let mut key = String::new();
                while let Some(last) = self.patiently(steps, number, Work::Batch { sql, key: &key }).await? {
                    key = last;
                }
            } else {
                self.patiently(steps, number, Work::Step(step)).await?;
            }
        }
        Ok(())
    }

    async fn in_one_transaction(&mut self, steps: &[Step]) -> Result<()> {
        self.patiently(steps, 0, Work::All(steps)).await.map(drop)
    }

    /// Tries until the locks are to be had. A short wait, then out of the queue again: who waits for a strong
    /// lock makes all others wait behind it.
    async fn patiently(&mut self, steps: &[Step], number: usize, work: Work<'_>) -> Result<Option<String>> {
        let mut pause = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
        let mut blockers = Vec::new();
        for attempt in 1.. {
            let (outcome, seen) = self.attempt(&work, number, attempt > 1).await;
            blockers = if seen.is_empty() { blockers } else { seen };
            match outcome {
                Ok(value) => return Ok(value),
                Err(Failure { source, .. }) if is_transient(&source) && attempt < self.options.attempts => {
                    tracing::info!(migration = self.migration.name(), attempt, ?blockers, "waiting for locks");
                    tokio::time::sleep(pause.next()).await;
                }
                Err(failure) => return Err(self.error(steps, failure, attempt, blockers)),
            }
        }
        Ok(None)
    }

    /// One attempt, and who was seen to block it.
    async fn attempt(&mut self, work: &Work<'_>, number: usize, watched: bool) -> (Outcome, Vec<i32>) {
        let limit = match work {
            Work::Step(Step::Patient(_) | Step::ConcurrentIndex { .. }) => self.options.patience,
            _ => self.options.lock_timeout,
        };
        let observer = if watched { self.connection.observer().await } else { None };
        let pid =
            if watched { self.connection.value("SELECT pg_backend_pid()::text").await.ok().flatten() } else { None };
        let doing = do_work(self.connection, work, number, limit);
        let (Some(mut observer), Some(pid)) = (observer, pid) else {
            return (doing.await, Vec::new());
        };
        let watching = async {
            tokio::time::sleep(self.options.lock_timeout / 2).await;
            let sql = sqlx::query_scalar("SELECT pg_blocking_pids($1::text::int)").bind(pid);
            sql.fetch_one(&mut observer).await.unwrap_or_default()
        };
        tokio::pin!(doing);
        tokio::select! {
            outcome = &mut doing => (outcome, Vec::new()),
            seen = watching => (doing.await, seen),
        }
    }

    /// Foreign keys are off meanwhile, as dropping a table would act on what refers to it, and checked at the end. The
    /// write lock taken at once is what keeps two processes apart.
    async fn on_sqlite(&mut self, steps: &[Step]) -> Result<bool> {
        let failed = Error::doing("beginning a migration; another process may be writing, try again when it is done");
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
        for (step, sql) in steps.iter().enumerate() {
            let done = step::apply(self.connection, sql).await;
            done.map_err(|source| self.error(steps, Failure { step, source }, 1, Vec::new()))?;
        }
        let orphan = "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1";
        match self.connection.value(orphan).await.map_err(Error::doing("checking the foreign keys"))? {
            Some(table) => Err(Error::Orphans { migration: self.migration.name(), table }),
            None => Ok(true),
        }
    }

    fn error(&self, steps: &[Step], failure: Failure, attempts: u32, blockers: Vec<i32>) -> Error {
        let Failure { step, source } = failure;
        let migration = self.migration.name();
        let statement = steps.get(step).map(Step::summary).unwrap_or_default();
        let step = step + 1;
        if is_transient(&source) {
            Error::Blocked { migration, step, statement, attempts, blockers, source }
        } else {
            Error::Step { migration, step, statement, source }
        }
    }
}

type Outcome = std::result::Result<Option<String>, Failure>;

/// What is tried again as a whole.
enum Work<'a> {
    Step(&'a Step),
    Batch {
        sql: &'a str,
        key: &'a str,
    },
    /// All steps in one transaction.
    All(&'a [Step]),
}

async fn do_work(connection: &mut Connection, work: &Work<'_>, number: usize, limit: Duration) -> Outcome {
    let at = |step| move |source| Failure { step, source };
    let timeout = format!("SET lock_timeout = '{}ms'", limit.as_millis());
    connection.execute(&timeout).await.map_err(at(number))?;
    match work {
        Work::Step(step) => step::apply(connection, step).await.map(|()| None).map_err(at(number)),
        Work::Batch { sql, key } => connection.text(sql, key).await.map_err(at(number)),
        Work::All(steps) => {
            connection.execute("BEGIN").await.map_err(at(0))?;
            for (number, step) in steps.iter().enumerate() {
                if let Err(source) = step::apply(connection, step).await {
                    // If this fails too, the connection is gone and the transaction with it.
                    drop(connection.execute("ROLLBACK").await);
                    return Err(Failure { step: number, source });
                }
            }
            connection.execute("COMMIT").await.map(|()| None).map_err(at(steps.len() - 1))
        }
    }
}

/// A lock not got in time, or a deadlock that we were chosen to end: both pass.
fn is_transient(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}
