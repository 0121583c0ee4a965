//! Restoring to a time: a base, the WAL up to the target, and a private server that replays it.
//!
//! This file is long because its steps share one plan and stand in the order in which they run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::base_manifest::BaseManifest;
use super::commit_times::CommitTimes;
use super::files::{blocking, copy_folder};
use super::folder::{Base, PitrFolder, PitrManifest};
use super::os_user::OsUser;
use super::private_server::{PrivateServer, Programs};
use super::target::{RestoreTarget, Window};
use super::verify::BACKUP_MANIFEST;
use super::wal::{Segment, Stretch, WalArchive};
use super::work_folder::WorkFolder;
use crate::backup::checksum::sync_folder;
use crate::backup::program::Program;
use crate::error::{Error, Result};

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

/// The base, the segments and the settings of a restore.
struct Plan {
    base: Base,
    segments: Vec<Segment>,
    settings: Vec<String>,
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

/// [`Error::FileExists`] unless the directory is missing or empty.
fn refuse_full(into: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(into) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::file("reading", into))?,
    };
    if entries.next().is_some() { Err(Error::FileExists { path: into.to_owned() }) } else { Ok(()) }
}

/// Chooses base and segments, and the settings of the recovery.
async fn plan(
    folder: &PitrFolder,
    manifest: &PitrManifest,
    archive: &WalArchive,
    target: RestoreTarget,
    options: &RestoreOptions,
) -> Result<Plan> {
    let newest = |base: &Base| archive.newest_timeline().unwrap_or_default().max(base.manifest.timeline);
    let fits = |base: &Base| match target {
        RestoreTarget::Time(time) => base.manifest.ended_at <= time,
        RestoreTarget::Position(lsn) => base.manifest.end <= lsn,
        RestoreTarget::Latest => true,
    };
    let bases = match &options.base {
        Some(id) => vec![folder.base(id)?],
        None => folder.readable_bases()?,
    };
    let leads = |base: &&Base| {
        let timeline = options.timeline.unwrap_or_else(|| newest(base));
        archive.leads_to(base.manifest.timeline, base.manifest.end, timeline)
    };
    let Some(base) = bases.iter().filter(|base| fits(base)).find(leads) else {
        return Err(outside(folder, manifest, archive, target).await?);
    };
    let timeline = options.timeline.unwrap_or_else(|| newest(base));
    let stretch = archive.follow(base.manifest.start, timeline, &manifest.system_identifier)?;
    let Some(needed) = needed(archive, base, &stretch, target).await? else {
        return Err(match stretch.problem {
            Some(problem) => Error::WalDamaged { problem },
            None => outside(folder, manifest, archive, target).await?,
        });
    };
    let segments = stretch.segments.into_iter().take(needed).collect();
    Ok(Plan { base: base.clone(), segments, settings: settings(target, timeline) })
}

/// How many segments of the stretch lead to the target; `None` if it does not lead there.
async fn needed(archive: &WalArchive, base: &Base, stretch: &Stretch, target: RestoreTarget) -> Result<Option<usize>> {
    let all = stretch.segments.len();
    match target {
        RestoreTarget::Latest if stretch.problem.is_some() => Ok(None),
        RestoreTarget::Latest => Ok(Some(all)),
        RestoreTarget::Position(lsn) => {
            let before = archive.number_of(lsn).saturating_sub(archive.number_of(base.manifest.start));
            let before = usize::try_from(before).unwrap_or(usize::MAX);
            Ok((before < all).then(|| all.min(before + 2)))
        }
        RestoreTarget::Time(time) => {
            CommitTimes::of(archive, base.manifest.major()).await?.needed(&stretch.segments, time).await
        }
    }
}

async fn outside(
    folder: &PitrFolder,
    manifest: &PitrManifest,
    archive: &WalArchive,
    target: RestoreTarget,
) -> Result<Error> {
    let mut window = Window::default();
    for base in folder.readable_bases()?.into_iter().rev() {
        let timeline = archive.newest_timeline().unwrap_or(base.manifest.timeline).max(base.manifest.timeline);
        let stretch = archive.follow(base.manifest.start, timeline, &manifest.system_identifier)?;
        if stretch.problem.is_none() {
            let times = CommitTimes::of(archive, base.manifest.major()).await?;
            window = Window { start: Some(base.manifest.ended_at), end: times.last(&stretch.segments).await? };
            break;
        }
    }
    Ok(Error::OutsideWindow { asked: target.to_string(), window: window.to_string() })
}

/// The settings of the recovery. They are arguments of the server, so nothing is quoted and nothing is left behind.
fn settings(target: RestoreTarget, timeline: u32) -> Vec<String> {
    let mut settings = [
        // The WAL is in the directory: a command that always fails leads there.
        "restore_command=false",
        "recovery_target_inclusive=on",
        "recovery_target_action=promote",
        "recovery_target=",
        "recovery_target_name=",
        "recovery_target_xid=",
        "recovery_target_time=",
        "recovery_target_lsn=",
    ]
    .map(str::to_owned)
    .to_vec();
    settings.push(format!("recovery_target_timeline={timeline}"));
    // The server takes only one target, and it must come after the empty ones.
    match target {
        RestoreTarget::Time(time) => {
            settings.push(format!("recovery_target_time={}", time.format("%Y-%m-%d %H:%M:%S%.6f+00")));
        }
        RestoreTarget::Position(lsn) => settings.push(format!("recovery_target_lsn={lsn}")),
        RestoreTarget::Latest => {}
    }
    settings
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

/// The files of the WAL and their names.
fn copied_log(archive: &WalArchive, plan: &Plan) -> Vec<(PathBuf, String)> {
    let file = |segment: &Segment| Some((archive.segments.get(segment)?.path.clone(), archive.name(*segment)));
    plan.segments.iter().filter_map(file).collect()
}

/// The place of the last segment that the replay must reach, without its timeline. The newest may hold no record yet.
fn last_whole(files: &[(PathBuf, String)]) -> Option<String> {
    let mut places: Vec<&str> = files.iter().filter_map(|(_, name)| name.get(8..)).collect();
    places.sort_unstable();
    places.iter().rev().nth(1).map(|place| (*place).to_owned())
}

/// Adds the WAL, and makes the directory one that the server recovers.
fn prepare(data: &Path, log: &[(PathBuf, String)], histories: &[PathBuf], user: Option<OsUser>) -> Result<()> {
    for name in ["standby.signal", "recovery.signal", "postmaster.pid", BACKUP_MANIFEST] {
        match fs::remove_file(data.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("preparing", data)(error));
            }
            _ => {}
        }
    }
    for (from, name) in log {
        copy_segment(from, &data.join("pg_wal").join(name))?;
    }
    for from in histories {
        let to = data.join("pg_wal").join(from.file_name().unwrap_or_default());
        fs::copy(from, to).map_err(Error::file("copying", from))?;
    }
    let signal = data.join("recovery.signal");
    fs::write(&signal, "").map_err(Error::file("writing", &signal))?;
    match (user, data.parent()) {
        (Some(user), Some(work)) => user.own(work),
        _ => Ok(()),
    }
}

/// The receiver may have completed a segment since it was listed.
fn copy_segment(from: &Path, to: &Path) -> Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let complete = from.with_extension("");
            fs::copy(&complete, to).map(drop).map_err(Error::file("copying", &complete))
        }
        done => done.map(drop).map_err(Error::file("copying", from)),
    }
}

/// Gives the restored directory its name.
fn place(data: &Path, into: &Path, user: Option<OsUser>) -> Result<()> {
    refuse_full(into)?;
    let failed = Error::file("naming", into);
    match fs::rename(data, into) {
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            let beside = tempfile::Builder::new()
                .prefix(".rylie-restore-")
                .tempdir_in(into.parent().unwrap_or(Path::new("/")))
                .map_err(&failed)?;
            let copy = beside.path().join("data");
            copy_folder(data, &copy)?;
            sync_all(&copy)?;
            user.map_or(Ok(()), |user| user.own(&copy))?;
            fs::rename(&copy, into).map_err(&failed)?;
        }
        done => done.map_err(&failed)?,
    }
    into.parent().map_or(Ok(()), sync_folder)
}

fn sync_all(folder: &Path) -> Result<()> {
    let failed = Error::file("syncing", folder);
    for entry in fs::read_dir(folder).map_err(&failed)? {
        let path = entry.map_err(&failed)?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            fs::File::open(&path).and_then(|file| file.sync_all()).map_err(&failed)?;
        }
    }
    sync_folder(folder)
}
