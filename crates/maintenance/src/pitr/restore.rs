//! Restoring to a time: a base, the WAL up to the target, and a private server that replays it.
//!
//! This file is long because its steps share one plan and stand in the order in which they run.

mod plan;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::base_manifest::BaseManifest;
use super::files::copy_folder;
use super::folder::{Base, PitrFolder};
use super::private_server::{PrivateServer, Programs};
use super::restored_directory::{place, prepare, refuse_full};
use super::target::RestoreTarget;
use super::work_folder::WorkFolder;
use crate::backup::program::Program;
use crate::error::{Error, Result};
use crate::files::blocking;
use crate::os_user::OsUser;

use plan::{copied_log, last_whole, plan};

/// How a restore is made.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The base, if not the newest one before the target.
    pub base: Option<String>,
    /// The timeline to follow, if not the newest one.
    pub timeline: Option<u32>,
    /// The longest time for the replay.
    pub within: Duration,
    /// Whether the result is kept, so that it has to be on disk.
    pub durable: bool,
}

impl Default for RestoreOptions {
    /// The newest base and timeline, six hours, on disk.
    fn default() -> Self {
        Self { base: None, timeline: None, within: Duration::from_hours(6), durable: true }
    }
}

/// A restored cluster.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The data directory.
    pub into: PathBuf,
    /// The base that it was restored from.
    pub base: String,
    /// The time of the last commit that was replayed, UTC; `None` if no commit was.
    pub reached: Option<DateTime<Utc>>,
    /// The timeline that the recovery began at its end.
    pub timeline: u32,
    /// The version of the server.
    pub server: String,
    /// How long it took.
    pub took: Duration,
    /// The URL of the running server, if it was asked for.
    pub url: Option<String>,
}

/// A restored cluster with a private server on it, in a folder that is removed when the value is dropped.
pub struct Replayed {
    /// The server.
    pub server: PrivateServer,
    /// The base that it was restored from. By pgBackRest it describes the backup, with its label as the id.
    pub base: BaseManifest,
    /// The SHA-256 of the file with that manifest; by pgBackRest of the backup's `backup.manifest`.
    pub base_sha256: String,
    /// The time of the last commit that was replayed, UTC.
    pub reached: Option<DateTime<Utc>>,
    /// The timeline that the recovery began at its end.
    pub timeline: u32,
    /// How long it took until the server took connections.
    pub took: Duration,
    folder: WorkFolder,
    user: Option<OsUser>,
}

/// Restores beside a new data directory `into`, which must not exist, or be empty; [`Replayed::keep`] gives it the name.
///
/// The base is verified first. The WAL is copied into the new directory, and a private server replays it up to the target
/// and begins a new timeline there (`recovery_target_action = promote`). No recovery setting is left in the directory. It is
/// removed when the result is dropped.
///
/// [`Error::FileExists`] for a directory with content, [`Error::OutsideWindow`] for a target that cannot be reached,
/// [`Error::WalDamaged`] if the WAL before it is not whole, [`Error::TargetNotReached`] if the server ends before it,
/// [`Error::BackupDamaged`] for a damaged base.
pub async fn restore_pitr(
    folder: &PitrFolder,
    target: RestoreTarget,
    into: &Path,
    options: &RestoreOptions,
) -> Result<Replayed> {
    let into = std::path::absolute(into).map_err(Error::file("finding", into))?;
    refuse_full(&into)?;
    replay_pitr(folder, target, into.parent().unwrap_or(Path::new("/")), options).await
}

/// Restores into a folder that is removed when the result is dropped, and leaves the server running there. See
/// [`restore_pitr`]. Fails as that does, except with [`Error::FileExists`].
pub async fn replay_pitr(
    folder: &PitrFolder,
    target: RestoreTarget,
    parent: &Path,
    options: &RestoreOptions,
) -> Result<Replayed> {
    let begun = Instant::now();
    let manifest = folder.manifest()?;
    let archive = folder.archive(&manifest)?;
    let plan = plan(folder, &manifest, &archive, target, options).await?;
    let lineage = plan.base.lineage(folder)?;
    for base in &lineage {
        base.verify().await?;
    }
    let programs = Programs::of(plan.base.manifest.major()).await?;
    let (work, user) = WorkFolder::new(parent).await?;
    let data = work.path().join("data");
    build(&lineage, &data).await?;
    let (files, histories, to) = (copied_log(&archive, &plan), archive.history_files.clone(), data.clone());
    let last_whole = if target == RestoreTarget::Latest { last_whole(&files) } else { None };
    blocking("preparing a restored directory", move || prepare(&to, &files, &histories, user)).await?;
    let mut settings = plan.settings;
    if !options.durable {
        settings.extend(["fsync=off".to_owned(), "full_page_writes=off".to_owned()]);
    }
    let Base { manifest: base, sha256, .. } = plan.base;
    let server = PrivateServer::start(&data, &base, programs, user, &settings, options.within).await?;
    let (replayed, segment) = Replayed::on(server, base, sha256, begun, work, user).await?;
    // The server takes the first record that it cannot read for the end of the log.
    if let Some(last) = last_whole.filter(|last| segment < *last) {
        let problem = format!("the replay ended in segment {segment}, before {last}: a record there cannot be read");
        return Err(Error::WalDamaged { problem });
    }
    Ok(replayed)
}

impl Replayed {
    /// Asks a server how far it replayed. Returns also the segment of the end, without its timeline.
    pub(super) async fn on(
        server: PrivateServer,
        base: BaseManifest,
        base_sha256: String,
        begun: Instant,
        folder: WorkFolder,
        user: Option<OsUser>,
    ) -> Result<(Self, String)> {
        let sql = "SELECT pg_last_xact_replay_timestamp(), ('x' || substr(name, 1, 8))::bit(32)::int, substr(name, 9) \
             FROM pg_walfile_name(pg_current_wal_lsn()) AS name";
        let mut connection = server.connect().await?;
        let failed = Error::engine("reading how far the recovery went");
        let (reached, timeline, segment): (Option<DateTime<Utc>>, i32, String) =
            sqlx::query_as(sql).fetch_one(&mut connection).await.map_err(failed)?;
        drop(connection);
        let timeline = u32::try_from(timeline).unwrap_or_default();
        Ok((Self { server, base, base_sha256, reached, timeline, took: begun.elapsed(), folder, user }, segment))
    }

    /// Ends the server and gives the data directory its name: that of a server that was shut down. With `run` a server is
    /// started on it again and stays; it is reached by a socket in a private folder only.
    pub async fn keep(self, into: &Path, run: bool) -> Result<Restored> {
        let into = std::path::absolute(into).map_err(Error::file("finding", into))?;
        let Self { server, base, reached, timeline, took, folder: work, user, .. } = self;
        server.stop().await?;
        let (data, to) = (work.path().join("data"), into.clone());
        blocking("moving a restored directory", move || place(&data, &to, user)).await?;
        let url = if run {
            let programs = Programs::of(base.major()).await?;
            let within = Duration::from_mins(5);
            let server = PrivateServer::start(&into, &base, programs, user, &[], within).await?;
            Some(server.leave())
        } else {
            None
        };
        let (base, server) = (base.id, base.server);
        Ok(Restored { into, base, reached, timeline, server, took, url })
    }

    /// Ends the server and removes everything.
    pub async fn discard(self) -> Result<()> {
        self.server.stop().await?;
        self.folder.close()
    }
}

/// Copies a full base, or combines it with its changes.
async fn build(lineage: &[Base], data: &Path) -> Result<()> {
    if let [full] = lineage {
        let (from, to) = (full.data(), data.to_owned());
        return blocking("copying a base", move || copy_folder(&from, &to)).await;
    }
    let major = lineage.first().map(|base| base.manifest.major()).unwrap_or_default();
    let program = Program::of_server("pg_combinebackup", major).await?;
    let mut arguments: Vec<_> = lineage.iter().map(|base| base.data().into_os_string()).collect();
    arguments.extend(["--output".into(), data.as_os_str().to_owned()]);
    program.run_here(&arguments).await
}
