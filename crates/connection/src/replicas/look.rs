//! Probes of the servers. They use connections outside the pools, because an exhausted pool does not mean a lost
//! server.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::error::{Error, Result};
use crate::log_position::LogPosition;
use crate::log_position::{ON_PRIMARY, ON_REPLICA};
use crate::pool;
use crate::pool_options::PoolOptions;

/// A server that does not answer within this time counts as lost.
const PATIENCE: Duration = Duration::from_secs(2);

/// The cluster, the database and the timeline: equal on a primary and its replicas, and on no other server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Identity {
    pub(super) system: i64,
    pub(super) database: i64,
    /// Promotion starts a new timeline, on which positions of the old one have another meaning.
    pub(super) timeline: i64,
}

impl Identity {
    /// Returns why the server is no replica of the primary, or `None` if it is one.
    pub(super) fn differs(self, primary: Self) -> Option<&'static str> {
        if (self.system, self.database) != (primary.system, primary.database) {
            return Some("it is not a replica of this server's database");
        }
        let reason = "it does not follow the primary's timeline yet, as shortly after a failover";
        (self.timeline != primary.timeline).then_some(reason)
    }
}

/// SQL for the timeline on which a primary writes.
const TIMELINE_OF_PRIMARY: &str = "('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint";

/// SQL for the newest timeline on which a replica is known to be. It may lag: the control file follows checkpoints and
/// page writes, and only members of `pg_read_all_stats` see the received timeline.
const TIMELINE_OF_REPLICA: &str = "greatest((SELECT timeline_id FROM pg_control_checkpoint()), \
     (SELECT min_recovery_end_timeline FROM pg_control_recovery()), (SELECT received_tli FROM pg_stat_wal_receiver))::bigint";

/// The result of a probe.
pub(super) struct ProbeResult {
    pub(super) identity: Identity,
    /// The written position of a primary, or the replayed position of a replica. `None` if the server is no longer a
    /// replica.
    pub(super) position: Option<LogPosition>,
}

/// Probes a server over its own connection, which is opened on first use and reopened after a failure.
pub(super) struct Probe {
    url: String,
    options: PoolOptions,
    connection: Option<PgConnection>,
}

impl Probe {
    pub(super) fn new(url: &str, options: PoolOptions) -> Self {
        Self { url: url.to_owned(), options, connection: None }
    }

    pub(super) async fn primary(&mut self) -> Result<ProbeResult> {
        self.ask(ON_PRIMARY, TIMELINE_OF_PRIMARY).await
    }

    pub(super) async fn replica(&mut self) -> Result<ProbeResult> {
        self.ask(&format!("CASE WHEN pg_is_in_recovery() THEN {ON_REPLICA} END"), TIMELINE_OF_REPLICA).await
    }

    async fn ask(&mut self, position: &str, timeline: &str) -> Result<ProbeResult> {
        let sql = format!(
            "SELECT {position}, system_identifier, \
             (SELECT oid::bigint FROM pg_database WHERE datname = current_database()), {timeline} FROM pg_control_system()"
        );
        // Taken out during the query, so that an error or a timeout closes the connection.
        let connection = self.connection.take();
        let asking = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => pool::connect_alone(&self.url, &self.options).await.map_err(unless_pooler)?,
            };
            let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut connection).await?;
            let found = ProbeResult {
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

/// Explains a startup parameter that a pooler refused because its configuration does not allow it.
fn unless_pooler(error: Error) -> Error {
    let mut causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let refused = causes.any(|cause| cause.to_string().contains("unsupported startup parameter"));
    let reason = "it is behind a pooler; turn on the setting behind_pooler";
    if refused { Error::Invalid { what: "a replica", reason } } else { error }
}
