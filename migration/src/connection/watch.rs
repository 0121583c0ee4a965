//! Whether the server is still there, while a statement takes as long as it takes.
//!
//! A migration has no time limit, and a network that loses everything tells nobody. So a second connection looks from time to
//! time: whether the server answers, and whether the session is at work.

use std::io;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The longest look, with its connecting; a shorter pause between two is the limit instead.
const WITHIN: Duration = Duration::from_secs(5);

/// So many looks in a row that find nothing at work: an answer may be on its way during one.
const MOST_DOUBTS: u32 = 3;

/// The longest wait for a connection, and for what the server answers at once.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// Looks after one session of the server.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) options: PgConnectOptions,
    pub(crate) process: i32,
    pub(crate) every: Duration,
    /// The session is of no use any more: its answer may still come.
    pub(crate) lost: bool,
}

impl Watch {
    /// Waits for an answer. An error where the server answers no more, or works on it no more, and from then on at once.
    pub(crate) async fn over<T>(&mut self, asking: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
        tokio::pin!(asking);
        let mut doubts = if self.lost { MOST_DOUBTS } else { 0 };
        while doubts < MOST_DOUBTS {
            let look = async {
                tokio::time::sleep(self.every).await;
                tokio::time::timeout(self.every.min(WITHIN), self.is_at_work()).await.unwrap_or(false)
            };
            tokio::select! {
                biased;
                done = &mut asking => return done,
                at_work = look => doubts = if at_work { 0 } else { doubts + 1 },
            }
        }
        self.lost = true;
        Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer, or has ended the session").into())
    }

    async fn is_at_work(&self) -> bool {
        let sql = format!(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {} AND coalesce(state, '') NOT LIKE 'idle%')",
            self.process
        );
        let look = async {
            let mut connection = self.options.connect().await?;
            let at_work = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut connection).await?;
            // It answered: how it takes the goodbye does not matter.
            let _ = connection.close().await;
            Ok(at_work)
        };
        // A server that refuses a second connection is there.
        look.await.unwrap_or_else(|error: sqlx::Error| error.as_database_error().is_some())
    }
}

/// What is to be answered at once.
pub(crate) async fn promptly<T>(asking: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let answered = tokio::time::timeout(CONNECT, asking).await;
    answered.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer").into()))
}
