//! The live server: its identity, its replication slot and its WAL.

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

use super::lsn::Lsn;
use crate::engine::{Engine, Session, run_postgres};
use crate::error::{Error, Result};

/// On a standby the timeline of a WAL file name is not known.
const FACTS: &str = "SELECT (SELECT system_identifier FROM pg_control_system())::text, \
     (CASE WHEN pg_is_in_recovery() THEN (SELECT timeline_id FROM pg_control_checkpoint()) \
      ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END)::bigint, \
     split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int / 10000, \
     (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'), \
     (SELECT rolname::text FROM pg_roles WHERE oid = 10), current_database()::text, \
     current_setting('max_prepared_transactions')::int, \
     (SELECT count(*) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')), \
     coalesce(current_setting('summarize_wal', true), 'off') = 'on'";

const SLOT: &str = "SELECT slot_type::text, active, coalesce(wal_status, 'none'), restart_lsn::text, \
     coalesce(({NOW} - restart_lsn)::bigint, 0) FROM pg_replication_slots WHERE slot_name = $1";

const NOW: &str = "(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END)";

/// A server, by the login for replication.
pub(super) struct Server {
    connection: PgConnection,
}

/// The identity of a server, and the settings that a restore needs.
#[derive(Clone, Debug)]
pub(super) struct ServerFacts {
    pub(super) system_identifier: String,
    pub(super) timeline: u32,
    pub(super) version: String,
    pub(super) major: u32,
    pub(super) segment_bytes: u64,
    pub(super) superuser: String,
    pub(super) database: String,
    pub(super) max_prepared_transactions: u32,
    pub(super) tablespaces: i64,
    pub(super) summarizes_wal: bool,
}

/// The state of the replication slot.
#[derive(Clone, Debug)]
pub(super) struct SlotState {
    pub(super) is_physical: bool,
    /// Whether a receiver is connected.
    pub(super) is_active: bool,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub(super) wal_status: String,
    /// The end of the WAL on the receiver's disk.
    pub(super) received: Option<Lsn>,
    /// How much of the WAL the server keeps for it.
    pub(super) retained_bytes: u64,
}

impl SlotState {
    /// Whether the server has removed, or is about to remove, WAL that the receiver lacks.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.wal_status.as_str(), "lost" | "unreserved")
    }
}

impl Server {
    /// Connects. [`Error::PitrRefused`] for SQLite.
    pub(super) async fn connect(engine: &Engine) -> Result<Self> {
        match engine.connect().await? {
            Session::Postgres(connection, _) => Ok(Self { connection }),
            Session::Sqlite(_) => Err(Error::PitrRefused {
                reason: "SQLite has no log that could be replayed to a time; use `rylie backup create` instead"
                    .to_owned(),
            }),
        }
    }

    pub(super) fn session(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) async fn close(self) {
        // It answered: how it takes the goodbye does not matter.
        let _ = self.connection.close().await;
    }

    pub(super) async fn facts(&mut self) -> Result<ServerFacts> {
        type Row = (String, i64, String, i32, i64, String, String, i32, i64, bool);
        let row: Row = sqlx::query_as(FACTS)
            .fetch_one(&mut self.connection)
            .await
            .map_err(Error::engine("reading what the server is"))?;
        Ok(ServerFacts {
            system_identifier: row.0,
            timeline: u32::try_from(row.1).unwrap_or_default(),
            version: row.2,
            major: u32::try_from(row.3).unwrap_or_default(),
            segment_bytes: u64::try_from(row.4).unwrap_or_default(),
            superuser: row.5,
            database: row.6,
            max_prepared_transactions: u32::try_from(row.7).unwrap_or_default(),
            tablespaces: row.8,
            summarizes_wal: row.9,
        })
    }

    /// The state of a slot; `None` if there is none of this name.
    pub(super) async fn slot(&mut self, name: &str) -> Result<Option<SlotState>> {
        type Row = (String, bool, String, Option<String>, i64);
        let sql = SLOT.replace("{NOW}", NOW);
        let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(name)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(Error::engine("reading the replication slot"))?;
        let Some((kind, is_active, wal_status, received, retained)) = row else { return Ok(None) };
        Ok(Some(SlotState {
            is_physical: kind == "physical",
            is_active,
            wal_status,
            received: received.map(|lsn| lsn.parse()).transpose()?,
            retained_bytes: u64::try_from(retained).unwrap_or_default(),
        }))
    }

    /// The end of the WAL that is on the server's disk, and the server's clock.
    pub(super) async fn now(&mut self) -> Result<(Lsn, DateTime<Utc>)> {
        let sql = format!("SELECT coalesce({NOW}, '0/0')::text, clock_timestamp()");
        let (lsn, at): (String, _) = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut self.connection)
            .await
            .map_err(Error::engine("reading the end of the WAL"))?;
        Ok((lsn.parse()?, at))
    }

    /// Commits a small message to the WAL, which changes no table. Its commit is a time to which a restore can go.
    /// Returns its position, which is on the server's disk.
    pub(super) async fn mark(&mut self) -> Result<Lsn> {
        let failed = || Error::engine("writing a marker to the WAL");
        // `on` would also wait for synchronous standbys.
        run_postgres(&mut self.connection, "SET synchronous_commit = local").await.map_err(failed())?;
        let sql = "SELECT pg_logical_emit_message(true, 'rylie.pitr', 'marker')::text";
        let lsn: String = sqlx::query_scalar(sql).fetch_one(&mut self.connection).await.map_err(failed())?;
        lsn.parse()
    }
}
