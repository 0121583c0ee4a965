//! Limits on the wait for the server's answer.
//!
//! If the network drops every packet, the client never receives an error. So each wait also ends on the client's side,
//! later than the server's own time limit would have ended the statement.

use std::io;
use std::time::Duration;

use crate::pool_options::PoolOptions;

/// The limit for a statement if the server has none.
const UNLIMITED: Duration = Duration::from_mins(10);

/// The longest waits for an answer. SQLite needs none: it has no network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds(Option<PoolOptions>);

impl Bounds {
    pub(crate) const SQLITE: Self = Self(None);

    pub(crate) fn postgres(options: &PoolOptions) -> Self {
        Self(Some(*options))
    }

    /// Returns the bound for a statement, a commit or a rollback, including what runs before it. `limit` is the unit's
    /// own limit.
    pub(crate) fn statement(self, limit: Option<Duration>) -> Option<Duration> {
        let options = self.0?;
        let limit = limit.unwrap_or(options.statement_timeout);
        Some(if limit.is_zero() { UNLIMITED } else { limit }.saturating_add(options.network_timeout))
    }

    /// Returns the bound for requests that the server answers at once. A pooler may first wait for other transactions
    /// to end.
    pub(crate) fn prompt(self) -> Option<Duration> {
        let options = self.0?;
        if options.behind_pooler { self.statement(None) } else { Some(options.network_timeout) }
    }
}

/// Waits for an answer within a bound. After an error the connection must not be reused: the answer may still arrive.
pub(crate) async fn answered<T>(within: Option<Duration>, asking: impl Future<Output = T>) -> sqlx::Result<T> {
    match within {
        Some(within) => tokio::time::timeout(within, asking).await.map_err(|_| silence(within)),
        None => Ok(asking.await),
    }
}

fn silence(within: Duration) -> sqlx::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the server did not answer within {within:.1?}")).into()
}

/// Returns whether a connection stopped answering. Others to the same server may have, too.
pub(crate) fn is_silence(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(statement: u64) -> PoolOptions {
        let [statement_timeout, network_timeout] = [statement, 5].map(Duration::from_secs);
        PoolOptions { statement_timeout, network_timeout, ..PoolOptions::default() }
    }

    #[test]
    fn the_server_has_its_time_limit_before_the_client_gives_up() {
        let bounds = Bounds::postgres(&options(30));

        assert_eq!(bounds.statement(None), Some(Duration::from_secs(35)));
        assert_eq!(bounds.statement(Some(Duration::from_secs(90))), Some(Duration::from_secs(95)));
        assert_eq!(bounds.prompt(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn a_statement_without_a_limit_has_a_bound() {
        assert_eq!(Bounds::postgres(&options(0)).statement(None), Some(Duration::from_secs(605)));
    }

    #[test]
    fn a_pooler_may_let_a_transaction_wait_for_others() {
        let pooled = PoolOptions { behind_pooler: true, ..options(30) };

        assert_eq!(Bounds::postgres(&pooled).prompt(), Some(Duration::from_secs(35)));
    }

    #[test]
    fn sqlite_has_no_bound() {
        assert_eq!((Bounds::SQLITE.statement(None), Bounds::SQLITE.prompt()), (None, None));
    }
}
