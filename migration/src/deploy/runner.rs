//! Runs the steps of one migration: with short lock timeouts on PostgreSQL, in one transaction on SQLite.

mod attempt;
mod batch;
mod batches;
mod shape;
mod sqlite;
mod work;

use std::time::Duration;

use rylie_driver::{Blocker, code_of};

use crate::connection::Connection;
use crate::deploy::lock::Backoff;
use crate::error::{Error, Result};
use crate::history::History;
use crate::history::checksum::checksum;
use crate::history::equivalents::{fills_tenant_key, for_old_logins, steps_sent, steps_sent_down};
use crate::history::journal;
use crate::marker::{self, State};
use crate::migrations::Migration;
use crate::options::{DeployProgress, Listener, Options};
use crate::owners;
use crate::step::{Direction, Engine, Step, Target};

use work::Work;

/// Whether the beginning of each step is recorded.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Recorded {
    Each,
    Nothing,
}

/// One run of one migration in one direction.
pub(crate) struct Run<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) options: &'a Options,
    pub(crate) migration: &'static dyn Migration,
    pub(crate) direction: Direction,
    /// The preceding link of the chain; `None` to read it from the records.
    pub(crate) previous: Option<&'a str>,
    /// Statements that run last, in the same transaction if there is one.
    pub(crate) epilogue: &'a [&'a str],
}

/// An error and the number of its step, from zero.
struct Failure {
    step: usize,
    source: sqlx::Error,
}

impl Run<'_> {
    /// Runs the steps and records the migration. Returns `false` if another process did so in the meantime (SQLite).
    pub(crate) async fn go(mut self, progress: Listener<'_>) -> Result<bool> {
        let name = self.migration.name();
        let steps = self.steps().await?;
        progress(DeployProgress::Started { migration: name, steps: steps.len() });
        let outcome = self.go_through(&steps, progress).await;
        if let Err(error) = &outcome {
            self.note(error).await;
        }
        progress(DeployProgress::Finished { migration: name });
        outcome
    }

    async fn go_through(&mut self, steps: &[Step], progress: Listener<'_>) -> Result<bool> {
        let engine = self.connection.engine();
        if engine == Engine::Sqlite {
            return self.on_sqlite(steps).await;
        }
        let entries = journal::entries(self.connection).await?;
        let entry = entries.get(self.migration.name());
        let sum = checksum(self.migration, engine);
        let first = if self.migration.in_transaction(engine) {
            0
        } else {
            History::resume_at(entry, &sum, self.direction.word(), steps)
        };
        if !self.leaves_no_trace() {
            self.report_journal(journal::begin(engine, self.migration, self.direction, first)).await?;
        }
        let previous = self.link_before(&entries);
        if self.migration.in_transaction(engine) {
            let all = [steps, &self.ending(&previous)].concat();
            self.refuse_other_shapes(steps).await?;
            self.patiently(&all, 0, Work::All(&all)).await?;
        } else {
            self.step_by_step(steps, first, Recorded::Each, progress).await?;
            self.verify().await?;
            let ending = self.ending(&previous);
            self.patiently(&ending, 0, Work::All(&ending)).await?;
        }
        Ok(true)
    }

    async fn steps(&mut self) -> Result<Vec<Step>> {
        let engine = self.connection.engine();
        if self.direction == Direction::Down {
            return Ok(steps_sent_down(self.migration, engine));
        }
        let steps = steps_sent(self.migration, engine);
        if engine == Engine::Sqlite || !fills_tenant_key(self.migration) {
            return Ok(steps);
        }
        match marker::read(self.connection).await? {
            Some(mark) if mark.state == State::Coexistence => Ok(steps.into_iter().map(for_old_logins).collect()),
            _ => Ok(steps),
        }
    }

    fn link_before(&self, entries: &std::collections::BTreeMap<String, journal::Entry>) -> String {
        let link = || journal::link_before(entries, self.migration.name());
        self.previous.map_or_else(link, str::to_owned)
    }

    /// Returns the statements that record the migration, then the epilogue.
    fn ending(&self, previous: &str) -> Vec<Step> {
        let engine = self.connection.engine();
        let record = match self.direction {
            Direction::Up => journal::applied(engine, self.migration, previous, false),
            Direction::Down => journal::gone(self.migration.name()),
        };
        let epilogue = self.epilogue.iter().map(|sql| Step::sql((*sql).to_owned()));
        std::iter::once(Step::sql(record)).chain(epilogue).collect()
    }

    /// Runs the steps of an applied migration again without recording it. PostgreSQL.
    pub(crate) async fn again(mut self, progress: Listener<'_>) -> Result<()> {
        let steps = steps_sent(self.migration, Engine::Postgres);
        progress(DeployProgress::Started { migration: self.migration.name(), steps: steps.len() });
        self.step_by_step(&steps, 0, Recorded::Nothing, progress).await?;
        progress(DeployProgress::Finished { migration: self.migration.name() });
        Ok(())
    }

    async fn step_by_step(
        &mut self,
        steps: &[Step],
        first: usize,
        recorded: Recorded,
        progress: Listener<'_>,
    ) -> Result<()> {
        for (number, step) in steps.iter().enumerate().skip(first) {
            if recorded == Recorded::Each {
                let doubt = matches!(step, Step::OnceNonTransactional(_)).then(|| step.summary());
                self.refuse_other_shapes(std::slice::from_ref(step)).await?;
                self.report_journal(journal::at_step(self.migration.name(), number + 1, doubt.as_deref())).await?;
            }
            progress(DeployProgress::Step {
                migration: self.migration.name(),
                step: number + 1,
                statement: step.statement(),
            });
            self.do_step(steps, number, step, progress).await?;
        }
        let done = journal::at_step(self.migration.name(), steps.len() + 1, None);
        if recorded == Recorded::Each { self.report_journal(done).await } else { Ok(()) }
    }

    async fn do_step(&mut self, steps: &[Step], number: usize, step: &Step, progress: Listener<'_>) -> Result<()> {
        match step {
            Step::Batches(sql) => self.in_batches(steps, number, sql, progress).await?,
            Step::Once(_) => {
                let done = journal::at_step(self.migration.name(), number + 2, None);
                self.patiently(steps, number, Work::Once { step, done: &done }).await?;
            }
            step => drop(self.patiently(steps, number, Work::Step(step)).await?),
        }
        Ok(())
    }

    async fn refuse_other_shapes(&mut self, steps: &[Step]) -> Result<()> {
        for step in steps {
            shape::refuse_other(self.connection, step).await?;
        }
        Ok(())
    }

    async fn report_journal(&mut self, sql: String) -> Result<()> {
        self.connection.execute(&sql).await.map_err(Error::doing("recording the progress of a migration"))
    }

    /// Returns whether the journal needs no entry while this runs: one transaction reverts the migration, so it stays
    /// applied until the commit.
    fn leaves_no_trace(&self) -> bool {
        self.direction == Direction::Down && self.migration.in_transaction(self.connection.engine())
    }

    /// Records the failure if possible. Without a connection it cannot, but the step is already on record.
    async fn note(&mut self, error: &Error) {
        if self.leaves_no_trace() {
            return;
        }
        let source = match error {
            Error::Step { source, .. } | Error::Blocked { source, .. } => Some(source),
            _ => None,
        };
        let code = source.and_then(code_of);
        // After an external end (57…, 58…) the statement may be partly done. After any other error of the server it was
        // not done.
        let settled = code.as_deref().is_some_and(|code| !code.starts_with("57") && !code.starts_with("58"));
        let mut sql = journal::failed(self.migration.name(), &reason(error, source), settled);
        if self.connection.engine() == Engine::Sqlite {
            // The rollback also removed the record that the migration had begun.
            sql = format!("{}; {sql}", journal::begin(Engine::Sqlite, self.migration, self.direction, 0));
        }
        if let Err(error) = self.connection.execute(&sql).await {
            tracing::warn!(%error, "the cause of the failed migration was not recorded");
        }
    }

    /// Verifies the effect of the migration.
    async fn verify(&mut self) -> Result<()> {
        let query = self.migration.verify(self.connection.engine()).filter(|_| self.direction == Direction::Up);
        let Some(query) = query else { return Ok(()) };
        let sql = format!("SELECT CASE WHEN ({query}) THEN 'yes' END");
        let holds = self.connection.value(&sql).await.map_err(Error::doing("verifying a migration"))?;
        let summary = || Step::sql(query.into_owned()).summary();
        let migration = self.migration.name();
        if holds.is_some() { Ok(()) } else { Err(Error::NotVerified { migration, query: summary() }) }
    }

    /// Retries until the locks are granted. Each attempt waits only briefly and then leaves the queue: a waiter for a
    /// strong lock blocks all sessions behind it.
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

    fn error(&self, steps: &[Step], failure: Failure, attempts: u32, blockers: Vec<Blocker>) -> Error {
        let Failure { step, source } = failure;
        if let Some(refusal) = owners::refusal(&source) {
            return refusal.into();
        }
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

/// Returns the error code and the affected object. Omits the server's message, which may contain values.
fn reason(error: &Error, source: Option<&sqlx::Error>) -> String {
    match source.map(|source| source.as_database_error()) {
        Some(Some(reported)) => {
            let code = reported.code().unwrap_or_default().into_owned();
            let object = reported.constraint().or(reported.table()).map(|name| format!(" {name}")).unwrap_or_default();
            format!("error {code}{object}")
        }
        Some(None) => "the connection was lost".to_owned(),
        None => error.to_string(),
    }
}

/// Returns whether the statement was cancelled, by its time limit or by another session.
fn is_timeout(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("57014")
}

/// Returns whether a retry may succeed: a lock timeout, a deadlock in which the server cancelled this transaction, or a
/// serialization failure. After each of these the server has rolled the transaction back.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    matches!(code_of(error).as_deref(), Some("55P03" | "40P01" | "40001"))
}
