//! How far recovery can go: the WAL that was received, the slot, the window and the bases.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::commit_times::CommitTimes;
use super::folder::{Base, PitrFolder, PitrManifest};
use super::lsn::Lsn;
use super::ready::{lost, same_cluster};
use super::server::Server;
use super::target::Window;
use super::wal::{Stretch, WalArchive};
use crate::engine::Engine;
use crate::error::{Error, Result, in_words};

/// How often the slot is looked at while the WAL is awaited.
const LOOK: Duration = Duration::from_millis(200);

/// The receiver renames files while the folder is listed.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// Something that is wrong.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct WalFinding {
    /// `server`, `cluster`, `slot`, `receiver`, `wal`, `gap` or `base`.
    pub id: String,
    /// The problem and its remedy.
    pub detail: String,
}

/// The state of point-in-time recovery.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PitrStatus {
    /// The name of the newest WAL segment in the folder.
    pub last_wal: Option<String>,
    /// When the newest part of the WAL arrived, UTC.
    pub last_wal_at: Option<DateTime<Utc>>,
    /// The end of the WAL on the receiver's disk, as it reported to the server.
    pub received: Option<Lsn>,
    /// The end of the WAL on the server.
    pub current: Option<Lsn>,
    /// How much of the WAL was not received, in bytes.
    pub lag_bytes: Option<u64>,
    /// For how long no WAL arrived although there is more; 0 if everything arrived, `None` if the server does not answer.
    pub lag_seconds: Option<i64>,
    /// Whether a receiver is connected.
    pub receiving: bool,
    /// How much of the WAL the server keeps for the slot, in bytes.
    pub retained_bytes: Option<u64>,
    /// The state of the slot's WAL: `reserved`, `extended`, `unreserved` or `lost`.
    pub slot_status: Option<String>,
    /// When the oldest usable base was complete, UTC. Restores can go to this time and later ones.
    pub window_start: Option<DateTime<Utc>>,
    /// The time of the newest commit that was received, UTC. Restores can go to earlier times.
    pub window_end: Option<DateTime<Utc>>,
    /// The number of bases.
    pub bases: usize,
    /// The id of the newest base.
    pub last_base: Option<String>,
    /// The age of the newest base in seconds.
    pub last_base_age_seconds: Option<i64>,
    /// Everything that is wrong.
    pub findings: Vec<WalFinding>,
}

impl PitrStatus {
    fn find(&mut self, id: &str, detail: impl Into<String>) {
        self.findings.push(WalFinding { id: id.to_owned(), detail: detail.into() });
    }

    /// The window of the restores that are possible.
    #[must_use]
    pub fn window(&self) -> Window {
        Window { start: self.window_start, end: self.window_end }
    }
}

/// Reads the state of the folder and of the server. Changes nothing.
///
/// If the WAL has not arrived, waits up to `patience` for it: a receiver that starts again is no finding. Afterwards it is
/// one if no receiver is connected, or if nothing arrived for longer than `limit`. An unreachable server is a finding.
pub async fn pitr_status(
    engine: &Engine,
    folder: &PitrFolder,
    patience: Duration,
    limit: Duration,
    now: DateTime<Utc>,
) -> Result<PitrStatus> {
    let manifest = folder.manifest()?;
    let mut status = PitrStatus::default();
    match of_server(engine, &manifest, folder, patience, limit, now, &mut status).await {
        Err(error @ Error::PitrRefused { .. }) => status.find("cluster", error.to_string()),
        Err(error) => status.find("server", format!("the server does not answer: {}", in_words(&error))),
        Ok(()) => {}
    }
    let bases = of_bases(folder, now, &mut status)?;
    of_log(folder, &manifest, &bases, &mut status).await?;
    Ok(status)
}

async fn of_server(
    engine: &Engine,
    manifest: &PitrManifest,
    folder: &PitrFolder,
    patience: Duration,
    limit: Duration,
    now: DateTime<Utc>,
    status: &mut PitrStatus,
) -> Result<()> {
    let mut server = Server::connect(engine).await?;
    same_cluster(manifest, &server.facts().await?)?;
    let (current, _) = server.now().await?;
    let begun = Instant::now();
    let slot = loop {
        let slot = server.slot(&manifest.slot).await?;
        let arrived = slot
            .as_ref()
            .is_none_or(|slot| slot.is_active && slot.received.is_some_and(|received| received >= current));
        if arrived || begun.elapsed() >= patience {
            break slot;
        }
        tokio::time::sleep(LOOK).await;
    };
    server.close().await;
    status.current = Some(current);
    let Some(slot) = slot else {
        let name = &manifest.slot;
        status.find(
            "slot",
            format!("the server has no replication slot {name}; run `rylie pitr init` and `rylie pitr base`"),
        );
        return Ok(());
    };
    status.received = slot.received;
    status.receiving = slot.is_active;
    status.retained_bytes = Some(slot.retained_bytes);
    let lag = current.0.saturating_sub(slot.received.unwrap_or_default().0);
    status.lag_bytes = Some(lag);
    let archive = folder.archive(manifest)?;
    let newest: Option<DateTime<Utc>> = archive.segments.values().map(|file| file.modified).max().map(Into::into);
    let since = newest.and_then(|newest| (now - newest).to_std().ok()).unwrap_or_default();
    let silent = since + begun.elapsed();
    let silent = if lag == 0 { Duration::ZERO } else { silent };
    status.lag_seconds = Some(i64::try_from(silent.as_secs()).unwrap_or(i64::MAX));
    if slot.is_lost() {
        status.find("slot", lost(&manifest.slot, &slot.wal_status));
    }
    status.slot_status = Some(slot.wal_status);
    if !slot.is_active {
        let detail = format!("no receiver is connected to the slot {}; start `rylie pitr receive`", manifest.slot);
        status.find("receiver", detail);
    } else if silent > limit {
        let detail = format!("no WAL arrived for {} s, and {lag} bytes are waiting", silent.as_secs());
        status.find("wal", detail);
    }
    Ok(())
}

fn of_bases(folder: &PitrFolder, now: DateTime<Utc>, status: &mut PitrStatus) -> Result<Vec<Base>> {
    let mut bases = Vec::new();
    for listed in folder.bases()? {
        match listed.base {
            Ok(base) => bases.push(base),
            Err(reason) => status.find("base", reason),
        }
    }
    status.bases = bases.len();
    match bases.first() {
        Some(newest) => {
            status.last_base = Some(newest.manifest.id.clone());
            status.last_base_age_seconds = Some((now - newest.manifest.ended_at).num_seconds());
        }
        None => status.find("base", "there is no base; run `rylie pitr base`"),
    }
    Ok(bases)
}

async fn of_log(folder: &PitrFolder, manifest: &PitrManifest, bases: &[Base], status: &mut PitrStatus) -> Result<()> {
    let mut archive = folder.archive(manifest)?;
    let mut followed = follow_all(&archive, manifest, bases)?;
    if followed.iter().any(|(_, stretch)| stretch.problem.is_some()) {
        tokio::time::sleep(SECOND_LOOK).await;
        archive = folder.archive(manifest)?;
        followed = follow_all(&archive, manifest, bases)?;
    }
    if let Some((segment, file)) = archive.newest() {
        status.last_wal = Some(archive.name(segment));
        status.last_wal_at = Some(file.modified.into());
    }
    for (_, stretch) in &followed {
        let Some(problem) = &stretch.problem else { continue };
        if status.findings.iter().all(|finding| !finding.detail.starts_with(problem.as_str())) {
            status.find(
                "gap",
                format!("{problem}; run `rylie pitr base` now, and restore the segment if it exists elsewhere"),
            );
        }
    }
    // The oldest base from which the WAL is whole.
    let usable = followed.iter().rev().find(|(_, stretch)| stretch.problem.is_none());
    let Some((base, stretch)) = usable else { return Ok(()) };
    status.window_start = Some(base.manifest.ended_at);
    match CommitTimes::of(&archive, base.manifest.major()).await {
        Ok(times) => {
            let last = times.last(&stretch.segments).await?;
            status.window_end = last.filter(|last| *last > base.manifest.ended_at);
        }
        // The machine that receives need not be able to restore.
        Err(error) => tracing::info!(error = in_words(&error), "the end of the window is not known"),
    }
    Ok(())
}

/// Each base with the WAL from it on.
fn follow_all<'b>(
    archive: &WalArchive,
    manifest: &PitrManifest,
    bases: &'b [Base],
) -> Result<Vec<(&'b Base, Stretch)>> {
    let follow = |base: &'b Base| {
        let timeline = archive.newest_timeline().unwrap_or(base.manifest.timeline).max(base.manifest.timeline);
        let mut stretch = archive.follow(base.manifest.start, timeline, &manifest.system_identifier)?;
        if !archive.leads_to(base.manifest.timeline, base.manifest.end, timeline) {
            let (from, id) = (base.manifest.timeline, &base.manifest.id);
            stretch
                .problem
                .get_or_insert(format!("timeline {timeline} does not continue the base {id} of timeline {from}"));
        }
        Ok((base, stretch))
    };
    bases.iter().map(follow).collect()
}
