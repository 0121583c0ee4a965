//! What the servers are asked, on a connection beside the pools: a pool that is used up is no server that is lost.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::log_position::{ON_PRIMARY, ON_REPLICA};
use crate::{Error, LogPosition, PoolOptions, Result, pool};

/// A server that does not answer within this time is taken for lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which database of which cluster: the same on a primary and on its replicas, and on no other server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) system: i64,
    pub(super) database: i64,
}

/// How a server was found.
pub(super) struct Found {
    pub(super) identity: Identity,
    /// Where its log stands: written by a primary, replayed by a replica. `None` on a replica that is one no more.
    pub(super) position: Option<LogPosition>,
}

/// A connection that is made when it is needed, and anew after a failure.
pub(super) struct Lookout {
    url: String,
    options: PoolOptions,
    connection: Option<PgConnection>,
}

impl Lookout {
    pub(super) fn new(url: &str, options: PoolOptions) -> Self {
        Self { url: url.to_owned(), options, connection: None }
    }

    pub(super) async fn primary(&mut self) -> Result<Found> {
        self.ask(ON_PRIMARY).await
    }

    pub(super) async fn replica(&mut self) -> Result<Found> {
        self.ask(&format!("CASE WHEN pg_is_in_recovery() THEN {ON_REPLICA} END")).await
    }

    async fn ask(&mut self, position: &str) -> Result<Found> {
        let sql = format!(
            "SELECT {position}, system_identifier, \
             (SELECT oid::bigint FROM pg_database WHERE datname = current_database()) FROM pg_control_system()"
        );
        // Taken out meanwhile: what goes wrong, or takes too long, ends the connection.
        let connection = self.connection.take();
        let asking = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => pool::connect_alone(&self.url, &self.options).await?,
            };
            let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
            let found = Found {
                position: row.try_get::<Option<i64>, _>(0)?.map(LogPosition::of_log),
                identity: Identity { system: row.try_get(1)?, database: row.try_get(2)? },
            };
            Ok((connection, found))
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        let (connection, found) = answered.unwrap_or_else(|_| Err(Error::unreachable(sqlx::Error::PoolTimedOut)))?;
        self.connection = Some(connection);
        Ok(found)
    }
}
