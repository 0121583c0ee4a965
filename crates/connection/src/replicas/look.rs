//! What the servers are asked, on a connection beside the pools: a pool that is used up is no server that is lost.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::error::{Error, Result};
use crate::log_position::LogPosition;
use crate::log_position::{ON_PRIMARY, ON_REPLICA};
use crate::pool;
use crate::pool_options::PoolOptions;

/// A server that does not answer within this time is taken for lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which database of which cluster, and which of its logs: the same on a primary and on its replicas, and on no other server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) system: i64,
    pub(super) database: i64,
    /// A promoted server begins a new one; from there on, the positions of the old one mean something else.
    pub(super) timeline: i64,
}

impl Identity {
    /// Why what is found here is none of the primary's, if it is not.
    pub(super) fn differs(self, primary: Self) -> Option<&'static str> {
        if (self.system, self.database) != (primary.system, primary.database) {
            return Some("it is not a replica of this server's database");
        }
        let reason = "it is not known to be on the primary's timeline, as after a failover until it has followed";
        (self.timeline != primary.timeline).then_some(reason)
    }
}

/// The timeline on which a primary writes.
const TIMELINE_OF_PRIMARY: &str = "('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint";

/// The newest timeline on which a replica is known to be. It may be on a newer one, and say so late: its control file follows its
/// checkpoints and the pages that it writes, and what it receives is shown to members of `pg_read_all_stats` alone.
const TIMELINE_OF_REPLICA: &str = "greatest((SELECT timeline_id FROM pg_control_checkpoint()), \
     (SELECT min_recovery_end_timeline FROM pg_control_recovery()), (SELECT received_tli FROM pg_stat_wal_receiver))::bigint";

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
        self.ask(ON_PRIMARY, TIMELINE_OF_PRIMARY).await
    }

    pub(super) async fn replica(&mut self) -> Result<Found> {
        self.ask(&format!("CASE WHEN pg_is_in_recovery() THEN {ON_REPLICA} END"), TIMELINE_OF_REPLICA).await
    }

    async fn ask(&mut self, position: &str, timeline: &str) -> Result<Found> {
        let sql = format!(
            "SELECT {position}, system_identifier, \
             (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), {timeline} FROM pg_control_system()"
        );
        // Taken out meanwhile: what goes wrong, or takes too long, ends the connection.
        let connection = self.connection.take();
        let asking = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => pool::connect_alone(&self.url, &self.options).await.map_err(unless_pooler)?,
            };
            let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
            let found = Found {
                position: row.try_get::<Option<i64>, _>(0)?.map(LogPosition::of_log),
                identity: Identity { system: row.try_get(1)?, database: row.try_get(2)?, timeline: row.try_get(3)? },
            };
            Ok((connection, found))
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        let (connection, found) = answered.unwrap_or_else(|_| Err(Error::unreachable(sqlx::Error::PoolTimedOut)))?;
        self.connection = Some(connection);
        Ok(found)
    }
}

/// A pooler refuses what a session is told at its start, where the settings do not name it.
fn unless_pooler(error: Error) -> Error {
    let mut causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let refused = causes.any(|cause| cause.to_string().contains("unsupported startup parameter"));
    let reason = "a pooler is before it, and the setting behind_pooler is off";
    if refused { Error::Invalid { what: "a replica", reason } } else { error }
}
