//! Checks that the server is still alive during a long statement.
//!
//! Engine maintenance has no time limit, and a network can lose all traffic without an error. So a second connection
//! regularly checks that the server answers and that the session is working.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::error::{Error, Result};

/// Maximum time of one check, including the connection; a shorter pause between checks is the limit instead.
const WITHIN: Duration = Duration::from_secs(5);

/// Number of failed checks in a row that end the work. An answer may be on its way during one.
const MOST_DOUBTS: u32 = 3;

/// Monitors one session of the server.
pub(crate) struct Watch {
    pub(super) options: PgConnectOptions,
    pub(super) process: i32,
    pub(super) every: Duration,
}

impl Watch {
    /// Runs long work on the session. Fails if the server no longer answers or no longer works on it; the session must
    /// not be used after that.
    pub(crate) async fn over<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::pin!(work);
        let mut doubts = 0;
        while doubts < MOST_DOUBTS {
            let look = async {
                tokio::time::sleep(self.every).await;
                tokio::time::timeout(self.every.min(WITHIN), self.is_at_work()).await.unwrap_or(false)
            };
            tokio::select! {
                biased;
                done = &mut work => return done,
                at_work = look => doubts = if at_work { 0 } else { doubts + 1 },
            }
        }
        let lost = io::Error::new(io::ErrorKind::TimedOut, "the server does not answer, or has ended the session");
        Err(Error::engine("waiting for the server")(lost.into()))
    }

    async fn is_at_work(&self) -> bool {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {} AND coalesce(state, '') NOT LIKE 'idle%')",
            self.process
        );
        let look = async {
            let mut connection = self.options.connect().await?;
            let at_work = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut connection).await?;
            // The server has answered, so the outcome of closing does not matter.
            let _ = connection.close().await;
            Ok(at_work)
        };
        // A server that refuses a second connection is alive.
        look.await.unwrap_or_else(|error: sqlx::Error| error.as_database_error().is_some())
    }
}
