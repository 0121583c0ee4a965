//! The contents of the live database at a noted time, for the comparison with a restored copy.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::lsn::Lsn;
use super::restore::Replayed;
use crate::backup::survey::{LOGGED, NO_MARKER, TEXT_FORM, refuse_filtered, survey_postgres, tables};
use crate::backup::{BackupCheck, Manifest};
use crate::engine::{Engine, Session, run_postgres};
use crate::error::{Error, Result};

/// How long a moment without a writing transaction is looked for.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// The snapshot of the statement, and after it the log's position and the time.
const MOMENT: &str = "SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text, pg_current_wal_insert_lsn()::text, \
     clock_timestamp() FROM pg_current_snapshot() AS s";

/// The contents of the database at a time.
#[derive(Clone, Debug)]
pub struct NotedState {
    /// The time, by the server's clock, UTC.
    pub at: DateTime<Utc>,
    /// The position of the WAL at that time.
    pub position: Lsn,
    /// Whether the contents are exactly those at that time; not where writing transactions never paused.
    pub is_exact: bool,
    /// The contents.
    manifest: Manifest,
}

impl NotedState {
    /// The fingerprint of the database.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.manifest.fingerprint
    }

    /// The newest checkpoint of the audit log at that time.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&str> {
        self.manifest.checkpoint.as_deref()
    }

    /// The contents in the form of a backup's manifest, without files.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Notes a time and reads every row as of it. Writers continue.
///
/// A snapshot contains a transaction a moment after its commit is in the WAL. So the function looks for a
/// moment at which no transaction with an id runs. Two snapshots around it are equal and contain every id given out.
/// Then the contents at the time are those of the snapshot. Waits up to 20 seconds for such a moment; without one
/// [`is_exact`](NotedState::is_exact) is false.
///
/// Takes two connections and reads each table once, but no unlogged one: a restore leaves it empty.
/// [`Error::BackupRefused`] for a login that row-level security filters, [`Error::PitrRefused`] on SQLite and for a
/// database without an environment marker.
pub async fn note_state(engine: &Engine) -> Result<NotedState> {
    let failed = || Error::engine("noting the state of the database");
    let (Session::Postgres(mut reader, watch), Session::Postgres(mut second, _)) =
        (engine.connect().await?, engine.connect().await?)
    else {
        return Err(Error::PitrRefused { reason: "SQLite has no log that could be replayed to a time".to_owned() });
    };
    refuse_filtered(&tables(&mut reader, LOGGED).await.map_err(failed())?)?;
    let begun = Instant::now();
    let (position, at, is_exact) = loop {
        let opening = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {TEXT_FORM}");
        run_postgres(&mut reader, &opening).await.map_err(failed())?;
        let moment = moment(&mut reader).await.map_err(failed())?;
        let after = self::moment(&mut second).await.map_err(failed())?;
        let is_quiet = moment.0 == moment.1 && after.0 == after.1 && moment.1 == after.1;
        if is_quiet || begun.elapsed() > PATIENCE {
            break (moment.2, moment.3, is_quiet);
        }
        run_postgres(&mut reader, "ROLLBACK").await.map_err(failed())?;
        tokio::time::sleep(PAUSE).await;
    };
    // Statements of the engine's maintenance run without a limit; the server's answer is watched.
    let survey = watch.over(async { survey_postgres(&mut reader, LOGGED).await.map_err(failed()) }).await?;
    run_postgres(&mut reader, "ROLLBACK").await.map_err(failed())?;
    // They answered: how they take the goodbye does not matter.
    let _ = (reader.close().await, second.close().await);
    let no_marker = || Error::PitrRefused { reason: NO_MARKER.to_owned() };
    let manifest = survey.into_manifest(at).ok_or_else(no_marker)?;
    Ok(NotedState { at, position: position.parse()?, is_exact, manifest })
}

async fn moment(connection: &mut PgConnection) -> sqlx::Result<(String, String, String, DateTime<Utc>)> {
    sqlx::query_as(AssertSqlSafe(MOMENT)).persistent(false).fetch_one(connection).await
}

impl Replayed {
    /// Compares the restored copy with the noted state: what it is, its rows, tenants and contents. Rows and contents
    /// are not checked for a state that is not exact.
    pub async fn compare(&self, noted: &NotedState) -> Result<Vec<BackupCheck>> {
        let failed = || Error::engine("reading the restored copy");
        let mut connection = self.server.connect().await?;
        run_postgres(&mut connection, &format!("BEGIN READ ONLY; {TEXT_FORM}")).await.map_err(failed())?;
        let survey = survey_postgres(&mut connection, LOGGED).await.map_err(failed())?;
        let checks = survey.compare(&noted.manifest);
        if noted.is_exact {
            return Ok(checks);
        }
        let busy = "transactions wrote at the noted moment without a pause, so the rows at it are not known exactly";
        let weaker = |check: BackupCheck| {
            if check.id == "copy" { check } else { BackupCheck::not_checked(&check.id, busy) }
        };
        Ok(checks.into_iter().map(weaker).collect())
    }

    /// How many records about a row the copy's audit log has.
    pub async fn audit_records_on(&self, id: &str) -> Result<i64> {
        let mut connection = self.server.connect().await?;
        let sql = "SELECT count(*) FROM \"AuditLog\" WHERE \"resourceId\" = $1";
        let counted = sqlx::query_scalar(sql).bind(id).fetch_one(&mut connection).await;
        counted.map_err(Error::engine("reading the audit log of the restored copy"))
    }
}
