//! Setting up, and checking that everything is in place and that the WAL arrives.
//!
//! This file is long because each check states its finding and its remedy in full.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::base_manifest::FORMAT;
use super::folder::{PitrFolder, PitrManifest};
use super::lsn::Lsn;
use super::server::{Server, ServerFacts};
use crate::backup::BackupCheck;
use crate::backup::address::Address;
use crate::backup::program::Program;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How often the slot is looked at while the WAL is awaited.
const LOOK: Duration = Duration::from_millis(100);

/// The receiver takes one connection for the WAL, a base two.
const SENDERS: i64 = 3;

const SETTINGS: &str = "SELECT current_setting('wal_level'), current_setting('max_wal_senders')::bigint, \
     current_setting('max_replication_slots')::bigint, (SELECT count(*) FROM pg_replication_slots), \
     (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'), \
     current_user::text, (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user), \
     quote_ident(current_user)";

/// The outcome of setting up or of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Each check: a failed one names the SQL or the command that helps.
    pub checks: Vec<BackupCheck>,
    /// The folder's manifest, if it has one.
    pub manifest: Option<PitrManifest>,
}

/// Whether a marker that was written to the WAL arrived.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Arrival {
    /// The position of the WAL after the marker.
    pub position: Lsn,
    /// How long it took until the receiver had it on disk; `None` if it did not arrive in time.
    #[serde(skip)]
    pub took: Option<Duration>,
}

impl Readiness {
    /// The check that failed first.
    #[must_use]
    pub fn failure(&self) -> Option<&BackupCheck> {
        self.checks.iter().find(|check| check.is_failed())
    }

    fn problems(&self) -> Vec<String> {
        self.checks.iter().filter(|check| check.is_failed()).map(|check| check.detail.clone()).collect()
    }
}

/// Checks the server and the login, creates the replication slot, and makes the folder. It can be repeated and
/// keeps existing parts: after a failover it creates the slot on the new primary.
///
/// [`Error::PitrNotReady`] names everything that is missing, with the SQL for it; nothing is made then.
/// [`Error::PitrRefused`] if the folder is that of another cluster.
pub async fn init_pitr(
    engine: &Engine,
    folder: &PitrFolder,
    slot: &str,
    fingerprint: Option<String>,
    now: DateTime<Utc>,
) -> Result<Readiness> {
    check_name(slot)?;
    let mut server = Server::connect(engine).await?;
    let facts = server.facts().await?;
    let before = match folder.manifest() {
        Ok(manifest) => {
            same_cluster(&manifest, &facts)?;
            Some(manifest)
        }
        Err(Error::PitrNotReady { .. }) if !folder.path().join("pitr.json").exists() => None,
        Err(error) => return Err(error),
    };
    let has_slot = server.slot(slot).await?.is_some();
    let mut readiness = Readiness { checks: of_server(&mut server, &facts, has_slot).await?, manifest: None };
    readiness.checks.push(programs(facts.major).await);
    if readiness.failure().is_some() {
        return Err(Error::PitrNotReady { problems: readiness.problems() });
    }
    if !has_slot {
        let failed = Error::engine(format!("creating the replication slot {slot}"));
        sqlx::query("SELECT pg_create_physical_replication_slot($1, true)")
            .bind(slot)
            .execute(server.session())
            .await
            .map_err(failed)?;
    }
    readiness.checks.push(replication(engine, slot, &facts).await?);
    if readiness.failure().is_some() {
        return Err(Error::PitrNotReady { problems: readiness.problems() });
    }
    readiness.checks.push(of_slot(&mut server, slot).await?);
    let manifest = PitrManifest {
        format: FORMAT,
        made_at: before.as_ref().map_or(now, |before| before.made_at),
        system_identifier: facts.system_identifier.clone(),
        fingerprint: fingerprint.or_else(|| before.and_then(|before| before.fingerprint)),
        server: facts.version.clone(),
        timeline: facts.timeline,
        segment_bytes: facts.segment_bytes,
        slot: slot.to_owned(),
    };
    folder.make(&manifest)?;
    readiness.checks.push(BackupCheck::ok("folder", folder.path().display().to_string()));
    readiness.manifest = Some(manifest);
    server.close().await;
    Ok(readiness)
}

/// Checks server, login, programs, slot and folder, without a change. Anything that is missing is a failed check, and
/// no error.
pub async fn pitr_ready(engine: &Engine, folder: &PitrFolder) -> Result<Readiness> {
    let mut server = Server::connect(engine).await?;
    let facts = server.facts().await?;
    let manifest = match folder.manifest() {
        Ok(manifest) => Some(manifest),
        Err(Error::PitrNotReady { problems }) => {
            let mut checks = of_server(&mut server, &facts, false).await?;
            checks.push(BackupCheck::failed("folder", problems.join("; ")));
            return Ok(Readiness { checks, manifest: None });
        }
        Err(error) => return Err(error),
    };
    let mut checks = Vec::new();
    if let Some(manifest) = &manifest {
        let has_slot = server.slot(&manifest.slot).await?.is_some();
        checks = of_server(&mut server, &facts, has_slot).await?;
        checks.push(programs(facts.major).await);
        checks.push(match same_cluster(manifest, &facts) {
            Ok(()) => BackupCheck::ok("folder", format!("{}, timeline {}", folder.path().display(), facts.timeline)),
            Err(error) => BackupCheck::failed("folder", error.to_string()),
        });
        checks.push(of_slot(&mut server, &manifest.slot).await?);
    }
    server.close().await;
    Ok(Readiness { checks, manifest })
}

/// Writes a marker to the WAL, which changes no table, and waits until the receiver has it on disk.
///
/// [`Error::PitrNotReady`] if the folder is not set up, [`Error::PitrRefused`] if it is that of another cluster. WAL
/// that does not arrive is no error.
pub async fn wait_for_wal(engine: &Engine, folder: &PitrFolder, within: Duration) -> Result<Arrival> {
    let manifest = folder.manifest()?;
    let mut server = Server::connect(engine).await?;
    same_cluster(&manifest, &server.facts().await?)?;
    server.mark().await?;
    let (position, _) = server.now().await?;
    let begun = Instant::now();
    let mut arrival = Arrival { position, took: None };
    while begun.elapsed() < within {
        let slot = server.slot(&manifest.slot).await?;
        if slot.and_then(|slot| slot.received).is_some_and(|received| received >= position) {
            arrival.took = Some(begun.elapsed());
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    server.close().await;
    let archive = folder.archive(&manifest)?;
    let last = archive.segments.keys().map(|segment| segment.number).max();
    // Another receiver may use the slot for another folder.
    let is_here = last.is_some_and(|last| last >= archive.number_of(Lsn(position.0.saturating_sub(1))));
    Ok(Arrival { took: arrival.took.filter(|_| is_here), ..arrival })
}

/// [`Error::PitrRefused`] unless the server is of the folder's cluster.
pub(super) fn same_cluster(manifest: &PitrManifest, facts: &ServerFacts) -> Result<()> {
    let (ours, theirs) = (&manifest.system_identifier, &facts.system_identifier);
    if ours != theirs {
        let reason = format!(
            "the server is another database cluster than that of the folder: system identifier {theirs}, expected {ours}; \
             use a folder of its own for it"
        );
        return Err(Error::PitrRefused { reason });
    }
    if manifest.segment_bytes != facts.segment_bytes {
        let reason = "the server has another WAL segment size than the folder; use a new folder".to_owned();
        return Err(Error::PitrRefused { reason });
    }
    Ok(())
}

fn check_name(slot: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !slot.is_empty() && slot.len() <= 63 && slot.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::invalid("the name of the replication slot", "it must have 1 to 63 lower-case letters, digits and _"))
}

async fn of_server(server: &mut Server, facts: &ServerFacts, has_slot: bool) -> Result<Vec<BackupCheck>> {
    type Row = (String, i64, i64, i64, i64, String, bool, String);
    let (level, senders, slots, used_slots, used, login, may_replicate, quoted): Row = sqlx::query_as(SETTINGS)
        .fetch_one(server.session())
        .await
        .map_err(Error::engine("reading the settings for replication"))?;
    let check = |id: &str, fine: bool, ok: String, failed: String| {
        if fine { BackupCheck::ok(id, ok) } else { BackupCheck::failed(id, failed) }
    };
    let needed_slots = used_slots + i64::from(!has_slot);
    Ok(vec![
        check(
            "wal_level",
            matches!(level.as_str(), "replica" | "logical"),
            level.clone(),
            format!("wal_level is {level}; run `ALTER SYSTEM SET wal_level = 'replica'` and restart the server"),
        ),
        check(
            "max_wal_senders",
            senders >= used.max(1) + SENDERS - 1,
            format!("{senders}, {used} in use"),
            format!(
                "max_wal_senders is {senders}, {used} are in use and {SENDERS} are needed; run `ALTER SYSTEM SET \
                 max_wal_senders = {}` and restart the server",
                (used + SENDERS).max(10)
            ),
        ),
        check(
            "max_replication_slots",
            slots >= needed_slots,
            format!("{slots}, {used_slots} in use"),
            format!(
                "max_replication_slots is {slots} and all are in use; run `ALTER SYSTEM SET max_replication_slots = {}` \
                 and restart the server",
                needed_slots.max(10)
            ),
        ),
        check(
            "login",
            may_replicate,
            format!("{login} may replicate"),
            format!(
                "the login {login} may not replicate; run `ALTER ROLE {quoted} REPLICATION`, or `CREATE ROLE rylie_pitr \
                 LOGIN REPLICATION PASSWORD '…'` and set pitr_url"
            ),
        ),
        check(
            "tablespaces",
            facts.tablespaces == 0,
            "none".to_owned(),
            format!(
                "the server has {} tablespaces, which the native path does not copy; use pgBackRest",
                facts.tablespaces
            ),
        ),
    ])
}

/// A login may have the right, and `pg_hba.conf` refuse its connection.
async fn replication(engine: &Engine, slot: &str, facts: &ServerFacts) -> Result<BackupCheck> {
    let program = Program::find("pg_receivewal", facts.major).await?;
    let words = ["--create-slot", "--if-not-exists", "--no-password", "--slot"].map(std::ffi::OsString::from);
    let arguments: Vec<_> = words.into_iter().chain([slot.into()]).collect();
    let connected = program.run(&arguments, &Address::parse(engine.url())?, || ()).await;
    Ok(match connected {
        Ok(()) => BackupCheck::ok("replication", "a replication connection is accepted"),
        Err(Error::Program { reason, .. }) => BackupCheck::failed(
            "replication",
            format!(
                "no replication connection: {reason}; add a line such as `host replication rylie_pitr samehost \
                 scram-sha-256` to pg_hba.conf and run `SELECT pg_reload_conf()`"
            ),
        ),
        Err(error) => return Err(error),
    })
}

async fn of_slot(server: &mut Server, name: &str) -> Result<BackupCheck> {
    Ok(match server.slot(name).await? {
        None => {
            BackupCheck::failed("slot", format!("the server has no replication slot {name}; run `rylie pitr init`"))
        }
        Some(slot) if !slot.is_physical => {
            BackupCheck::failed("slot", format!("the slot {name} is not physical; set pitr_slot to another name"))
        }
        Some(slot) if slot.is_lost() => BackupCheck::failed("slot", lost(name, &slot.wal_status)),
        Some(slot) => {
            let receiver = if slot.is_active { "a receiver is connected" } else { "no receiver is connected" };
            BackupCheck::ok("slot", format!("{name}, {}, {receiver}", slot.wal_status))
        }
    })
}

/// A lost slot, and the way out.
pub(super) fn lost(name: &str, status: &str) -> String {
    format!(
        "the slot {name} is {status}: the server has removed WAL that was not received; run `SELECT \
         pg_drop_replication_slot('{name}')`, then `rylie pitr init` and `rylie pitr base`"
    )
}

/// The programs that are needed here, and those that only a restore needs.
async fn programs(major: u32) -> BackupCheck {
    for name in ["pg_basebackup", "pg_receivewal"] {
        if let Err(error) = Program::find(name, major).await {
            return BackupCheck::failed("programs", error.to_string());
        }
    }
    if let Err(error) = Program::of_server("pg_verifybackup", major).await {
        return BackupCheck::failed("programs", error.to_string());
    }
    for name in ["pg_waldump", "postgres", "pg_ctl"] {
        if let Err(error) = Program::of_server(name, major).await {
            let detail = format!("restores need a machine with {name}: {error}");
            return BackupCheck::not_checked("programs", detail);
        }
    }
    BackupCheck::ok("programs", format!("those of PostgreSQL {major}"))
}
