//! The plan of a restore: its base, the WAL up to the target, and the settings of the recovery.

use std::path::PathBuf;

use super::RestoreOptions;
use crate::error::{Error, Result};
use crate::pitr::commit_times::CommitTimes;
use crate::pitr::folder::{Base, PitrFolder, PitrManifest};
use crate::pitr::target::{RestoreTarget, Window};
use crate::pitr::wal::{Segment, Stretch, WalArchive};

/// The base, the segments and the settings of a restore.
pub(super) struct Plan {
    pub(super) base: Base,
    pub(super) segments: Vec<Segment>,
    pub(super) settings: Vec<String>,
}

/// Chooses base and segments, and the settings of the recovery.
pub(super) async fn plan(
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

/// The files of the WAL and their names.
pub(super) fn copied_log(archive: &WalArchive, plan: &Plan) -> Vec<(PathBuf, String)> {
    let file = |segment: &Segment| Some((archive.segments.get(segment)?.path.clone(), archive.name(*segment)));
    plan.segments.iter().filter_map(file).collect()
}

/// The place of the last segment that the replay must reach, without its timeline. The newest may hold no record yet.
pub(super) fn last_whole(files: &[(PathBuf, String)]) -> Option<String> {
    let mut places: Vec<&str> = files.iter().filter_map(|(_, name)| name.get(8..)).collect();
    places.sort_unstable();
    places.iter().rev().nth(1).map(|place| (*place).to_owned())
}
