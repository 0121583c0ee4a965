//! Copying a PostgreSQL database by `pg_dump`, and counting in the same snapshot.

use std::ffi::OsString;
use std::path::Path;

use rylie_repositories::Progress;
use sqlx::PgConnection;

use super::{Copied, CreateOptions};
use crate::backup::address::Address;
use crate::backup::program::Program;
use crate::backup::survey::{TEXT_FORM, refuse_filtered, survey_postgres, tables};
use crate::engine::{Engine, Session, run_postgres};
use crate::error::{Error, Result};

/// The folder of the dump within the backup.
pub(in crate::backup) const DUMP: &str = "dump";

pub(super) async fn copy(
    engine: &Engine,
    folder: &Path,
    options: CreateOptions,
    expected: Option<u64>,
    progress: &Progress,
) -> Result<Copied> {
    let failed = || Error::engine("reading the database for its backup");
    let Session::Postgres(mut connection, watch) = engine.connect().await? else { return Err(not_postgres()) };
    let version = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
    let (number, server): (i32, String) = sqlx::query_as(version).fetch_one(&mut connection).await.map_err(failed())?;
    let server = server.split(' ').next().unwrap_or_default().to_owned();
    let program = Program::find("pg_dump", u32::try_from(number / 10_000).unwrap_or_default()).await?;
    let (snapshot, bytes) = begin(&mut connection).await?;
    let dump = folder.join(DUMP);
    let of = expected.unwrap_or(bytes);
    let arguments = arguments(&dump, &snapshot, options);
    let at = Address::parse(engine.url())?;
    let dumping = program.run(&arguments, &at, || progress.report(written(&dump).min(of), of));
    let surveying = watch.over(async { survey_postgres(&mut connection).await.map_err(failed()) });
    let ((), survey) = tokio::try_join!(dumping, surveying)?;
    run_postgres(&mut connection, "ROLLBACK").await.map_err(failed())?;
    Ok(Copied { survey, server, tool: program.shown() })
}

/// Begins the transaction whose snapshot `pg_dump` shares; returns the snapshot's name and the size of the database.
async fn begin(connection: &mut PgConnection) -> Result<(String, u64)> {
    let failed = || Error::engine("taking a snapshot of the database");
    run_postgres(connection, &format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {TEXT_FORM}"))
        .await
        .map_err(failed())?;
    refuse_filtered(&tables(connection).await.map_err(failed())?)?;
    let sql = "SELECT pg_export_snapshot(), pg_database_size(current_database())";
    let (snapshot, bytes): (String, i64) = sqlx::query_as(sql).fetch_one(connection).await.map_err(failed())?;
    Ok((snapshot, u64::try_from(bytes).unwrap_or_default()))
}

fn arguments(dump: &Path, snapshot: &str, options: CreateOptions) -> Vec<OsString> {
    let mut file = OsString::from("--file=");
    file.push(dump);
    let words = [
        "--format=directory".to_owned(),
        "--compress=6".to_owned(),
        "--no-password".to_owned(),
        "--lock-wait-timeout=60000".to_owned(),
        format!("--jobs={}", options.jobs.max(1)),
        format!("--snapshot={snapshot}"),
        // A connection that was lost is noticed within two minutes.
        "--dbname=keepalives_idle=60 keepalives_interval=10 keepalives_count=6 tcp_user_timeout=120000".to_owned(),
    ];
    words.into_iter().map(OsString::from).chain([file]).collect()
}

/// The bytes in the files of a folder so far.
fn written(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

fn not_postgres() -> Error {
    Error::invalid("the database URL", "it must be postgres://user@host/database")
}
