//! Copying a PostgreSQL database by `pg_dump`, and counting in the same snapshot.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sqlx::PgConnection;

use super::{Copied, Copying, measured, stored};
use crate::backup::address::Address;
use crate::backup::manifest::BackupFile;
use crate::backup::place::Incomplete;
use crate::backup::program::{Program, pipe};
use crate::backup::stream::Stream;
use crate::backup::survey::{STORED, TEXT_FORM, refuse_filtered, survey_postgres, tables};
use crate::engine::{Engine, run_postgres};
use crate::error::{Error, Result};

/// The folder of the dump within the backup.
pub(in crate::backup) const DUMP: &str = "dump";

/// The file of a dump that is one stream, in the custom format of `pg_dump`.
pub(in crate::backup) const ARCHIVE: &str = "dump.pgdump";

pub(super) async fn copy(engine: &Engine, incomplete: &mut Incomplete, copying: Copying<'_>) -> Result<Copied> {
    let failed = || Error::engine("reading the database for its backup");
    let (mut connection, watch) = engine.connect_postgres("the database URL").await?;
    let version = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
    let (number, server): (i32, String) = sqlx::query_as(version).fetch_one(&mut connection).await.map_err(failed())?;
    let server = server.split(' ').next().unwrap_or_default().to_owned();
    let program = Program::find("pg_dump", u32::try_from(number / 10_000).unwrap_or_default()).await?;
    let (snapshot, bytes) = begin(&mut connection).await?;
    let at = Address::parse(engine.url())?;
    let dump = Dump { program: &program, at: &at, snapshot: &snapshot, of: copying.expected.unwrap_or(bytes), bytes };
    let dumping = async {
        match incomplete.folder().filter(|_| copying.recipient.is_none()).map(std::path::Path::to_owned) {
            Some(folder) => dump.to_folder(&folder, &copying).await,
            None => dump.to_stream(incomplete, copying).await,
        }
    };
    let surveying = watch.over(async { survey_postgres(&mut connection, STORED).await.map_err(failed()) });
    let (files, survey) = tokio::try_join!(dumping, surveying)?;
    run_postgres(&mut connection, "ROLLBACK").await.map_err(failed())?;
    Ok(Copied { survey, server, tool: program.shown(), files })
}

/// A run of `pg_dump`.
struct Dump<'a> {
    program: &'a Program,
    at: &'a Address,
    snapshot: &'a str,
    /// The expected size of the dump, for progress.
    of: u64,
    /// The size of the database.
    bytes: u64,
}

impl Dump<'_> {
    /// The directory format: several tables at once.
    async fn to_folder(&self, folder: &Path, copying: &Copying<'_>) -> Result<BTreeMap<String, BackupFile>> {
        let dump = folder.join(DUMP);
        let mut file = OsString::from("--file=");
        file.push(&dump);
        let jobs = format!("--jobs={}", copying.jobs.max(1));
        let own = ["--format=directory".into(), jobs.into(), file];
        let arguments = arguments(self.snapshot, own);
        let tick = || copying.progress.report(written(&dump).min(self.of), self.of);
        self.program.run(&arguments, self.at, tick).await?;
        measured(folder).await
    }

    /// The custom format through a pipe: one table after the other, and no file.
    async fn to_stream(
        &self,
        incomplete: &mut Incomplete,
        copying: Copying<'_>,
    ) -> Result<BTreeMap<String, BackupFile>> {
        let (from, to) = pipe()?;
        let name = stored(ARCHIVE, copying.recipient.is_some());
        let stream = Stream::of(Box::new(from), copying.recipient, self.bytes);
        let read = Arc::clone(&stream.read);
        let tick = || copying.progress.report(read.load(Ordering::Relaxed).min(self.of), self.of);
        let arguments = arguments(self.snapshot, ["--format=custom".into()]);
        let dumping = self.program.run_with(&arguments, self.at, Stdio::null(), Stdio::from(to), tick);
        let (dumped, streamed) = tokio::join!(dumping, incomplete.stream(&name, stream));
        // A stream that fails also ends the program, whose error says less.
        let file = streamed?;
        dumped?;
        Ok(BTreeMap::from([(name, file)]))
    }
}

/// Begins the transaction whose snapshot `pg_dump` shares; returns the snapshot's name and the size of the database.
async fn begin(connection: &mut PgConnection) -> Result<(String, u64)> {
    let failed = || Error::engine("taking a snapshot of the database");
    run_postgres(connection, &format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {TEXT_FORM}"))
        .await
        .map_err(failed())?;
    refuse_filtered(&tables(connection, STORED).await.map_err(failed())?)?;
    let sql = "SELECT pg_export_snapshot(), pg_database_size(current_database())";
    let (snapshot, bytes): (String, i64) = sqlx::query_as(sql).fetch_one(connection).await.map_err(failed())?;
    Ok((snapshot, u64::try_from(bytes).unwrap_or_default()))
}

fn arguments<const N: usize>(snapshot: &str, own: [OsString; N]) -> Vec<OsString> {
    let words = [
        "--compress=6".to_owned(),
        "--no-password".to_owned(),
        "--lock-wait-timeout=60000".to_owned(),
        format!("--snapshot={snapshot}"),
        // A connection that was lost is noticed within two minutes.
        "--dbname=keepalives_idle=60 keepalives_interval=10 keepalives_count=6 tcp_user_timeout=120000".to_owned(),
    ];
    own.into_iter().chain(words.into_iter().map(OsString::from)).collect()
}

/// The bytes in the files of a folder so far.
fn written(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}
