//! Detects a lost server while a statement runs without a time limit.
//!
//! A network failure may stay undetected. A second connection therefore checks periodically that the server answers and
//! that the session is active.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::blockers::{self, Blocker};

/// The time limit of one check, including its connection. A shorter interval between checks is the limit instead.
const WITHIN: Duration = Duration::from_secs(5);

/// The time after which the sessions that block a statement are looked for.
const SLOW: Duration = Duration::from_secs(1);

/// The number of consecutive failed checks that count as a loss. One may fail while the answer is on its way.
const MOST_DOUBTS: u32 = 3;

/// The time limit for connecting, and for queries that the server answers at once.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// Observes one session of the server.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) options: PgConnectOptions,
    pub(crate) process: i32,
    pub(crate) every: Duration,
    /// The session must not be used again: its answer may still arrive.
    pub(crate) lost: bool,
    /// The sessions that blocked the last statement that failed after more than [`SLOW`].
    pub(crate) blockers: Vec<Blocker>,
}

impl Watch {
    /// Waits for an answer. Fails if the server stops answering or no longer executes the statement; every later call
    /// fails at once.
    pub(crate) async fn over<T>(&mut self, asking: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        tokio::pin!(asking);
        if !self.lost {
            tokio::select! {
                biased;
                done = &mut asking => return done,
                blockers = self.look_for_blockers() => self.blockers = blockers,
            }
        }
        let mut doubts = if self.lost { MOST_DOUBTS } else { 0 };
        while doubts < MOST_DOUBTS {
            let look = async {
                tokio::time::sleep(self.every).await;
                tokio::time::timeout(self.every.min(WITHIN), self.is_at_work()).await.unwrap_or(false)
            };
            tokio::select! {
                biased;
                done = &mut asking => {
                    // A failure may be a wait for these sessions that took too long.
                    if done.is_ok() {
                        self.blockers.clear();
                    }
                    return done;
                }
                at_work = look => doubts = if at_work { 0 } else { doubts + 1 },
            }
        }
        self.lost = true;
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer, or has ended the session").into())
    }

    async fn look_for_blockers(&self) -> Vec<Blocker> {
        tokio::time::sleep(self.every.min(SLOW)).await;
        let looking = blockers::of(&self.options, self.process);
        tokio::time::timeout(self.every.min(WITHIN), looking).await.unwrap_or_default()
    }

    async fn is_at_work(&self) -> bool {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {} AND coalesce(state, '') NOT LIKE 'idle%')",
            self.process
        );
        let look = async {
            let mut connection = self.options.connect().await?;
            let at_work = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut connection).await?;
            // It answered, so a failure to close does not matter.
            let _ = connection.close().await;
            Ok(at_work)
        };
        // A server that refuses a second connection is running.
        look.await.unwrap_or_else(|error: sqlx::Error| error.as_database_error().is_some())
    }
}

/// Applies the time limit for queries that the server answers at once.
pub(crate) async fn promptly<T>(asking: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let answered = tokio::time::timeout(CONNECT, asking).await;
    answered.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer").into()))
}
