//! Detects a lost server while a statement runs without a time limit, and reports what the statement waits for.
//!
//! A network failure may stay undetected. A second connection therefore checks periodically that the server answers and
//! that the session is active.

use std::fmt;
use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::wait::{Looks, WITHIN};
use crate::{Blocker, OnWait};

/// The number of consecutive failed checks that count as a loss. One may fail while the answer is on its way.
const MOST_DOUBTS: u32 = 3;

/// The server stopped answering, or no longer executes the statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the server does not answer, or has ended the session")]
pub struct Lost;

impl From<Lost> for sqlx::Error {
    fn from(lost: Lost) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, lost).into()
    }
}

/// Watches one session of a server. `Debug` shows no password.
pub struct Watch {
    options: PgConnectOptions,
    process: i32,
    every: Duration,
    /// The session must not be used again: its answer may still arrive.
    lost: bool,
    looks: Looks,
}

impl Watch {
    /// Watches the session with this process id. The options are those of its connection.
    #[must_use]
    pub fn new(options: PgConnectOptions, process: i32, every: Duration) -> Self {
        Self { options, process, every, lost: false, looks: Looks::default() }
    }

    /// Returns the options of the session's connection.
    #[must_use]
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Sets the interval of the checks that the server is still working.
    pub fn look_every(&mut self, pause: Duration) {
        self.every = pause;
    }

    /// Sends the reports of waits to this listener instead of the log.
    pub fn report_to(&mut self, listener: Option<OnWait>) {
        self.looks.listener = listener;
    }

    /// Makes the first look this soon, if that is earlier than usual; `None` returns to the default. For statements whose
    /// own wait is shorter.
    pub async fn look_after(&mut self, first: Option<Duration>) {
        self.looks.first = first;
        if first.is_some() {
            self.looks.prepare(&self.options).await;
        }
    }

    /// Returns the sessions that were last seen to block a statement, and forgets them.
    pub fn take_blockers(&mut self) -> Vec<Blocker> {
        std::mem::take(&mut self.looks.blockers)
    }

    /// Waits for an answer. Fails if the server stops answering or no longer executes the statement; every later call
    /// fails at once. It may be dropped at any await.
    pub async fn over<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Lost> {
        tokio::pin!(work);
        let Self { options, process, every, lost, looks } = self;
        let options: &PgConnectOptions = options;
        // Boxed: it would make the future of every statement large.
        let mut reporting = Box::pin(looks.report(options, *process));
        let mut doubts = if *lost { MOST_DOUBTS } else { 0 };
        while doubts < MOST_DOUBTS {
            let look = async {
                tokio::time::sleep(*every).await;
                tokio::time::timeout((*every).min(WITHIN), is_at_work(options, *process)).await.unwrap_or(false)
            };
            tokio::pin!(look);
            let at_work = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                at_work = &mut look => at_work,
                never = &mut reporting => match never {},
            };
            doubts = if at_work { 0 } else { doubts + 1 };
        }
        *lost = true;
        Err(Lost)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("process", &self.process).field("lost", &self.lost).finish_non_exhaustive()
    }
}

async fn is_at_work(options: &PgConnectOptions, process: i32) -> bool {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = {process} AND coalesce(state, '') NOT LIKE 'idle%')"
    );
    let look = async {
        let mut connection = options.connect().await?;
        let at_work = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut connection).await?;
        // It answered, so a failure to close does not matter.
        let _ = connection.close().await;
        Ok(at_work)
    };
    // A server that refuses a second connection is running.
    look.await.unwrap_or_else(|error: sqlx::Error| error.as_database_error().is_some())
}
