//! Making a base by `pg_basebackup`.

use std::ffi::OsString;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use rylie_repositories::Progress;
use serde::Deserialize;

use super::base_manifest::{BaseManifest, FORMAT};
use super::files::bytes_in;
use super::folder::{Base, PitrFolder};
use super::lsn::Lsn;
use super::ready::same_cluster;
use super::server::{Server, ServerFacts};
use super::verify::{BACKUP_MANIFEST, verify_data};
use crate::backup::address::Address;
use crate::backup::checksum::sha256;
use crate::backup::program::Program;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::files::blocking;

/// How a base is made.
#[derive(Clone, Debug, Default)]
pub struct BaseOptions {
    /// Bytes a second at most, in the form of `pg_basebackup --max-rate`: `32M`, `500k`.
    pub max_rate: Option<String>,
    /// Copy only what changed since the newest base. Needs PostgreSQL 17 with `summarize_wal`.
    pub incremental: bool,
}

/// The part of PostgreSQL's manifest that is read here.
#[derive(Deserialize)]
struct BackupManifest {
    #[serde(rename = "WAL-Ranges")]
    ranges: Vec<WalRange>,
}

#[derive(Deserialize)]
struct WalRange {
    #[serde(rename = "Timeline")]
    timeline: u32,
    #[serde(rename = "Start-LSN")]
    start: String,
    #[serde(rename = "End-LSN")]
    end: String,
}

/// Copies the cluster into the folder, checks every file of the copy, and returns the base.
///
/// The login needs REPLICATION only. Writers continue. The base appears when it is complete, on disk and verified;
/// until then no list shows it, and a failure leaves nothing. [`Error::PitrRefused`] for a server with tablespaces:
/// their files lie outside of the data directory. The same error for another cluster than that of the folder.
/// [`Error::PitrNotReady`] if the folder is not set up. `progress` receives bytes.
pub async fn make_base(
    engine: &Engine,
    folder: &PitrFolder,
    options: &BaseOptions,
    progress: &Progress,
) -> Result<Base> {
    let manifest = folder.manifest()?;
    let mut server = Server::connect(engine).await?;
    let facts = server.facts().await?;
    same_cluster(&manifest, &facts)?;
    refuse_tablespaces(&facts)?;
    let parent = parent(folder, options, &facts)?;
    let program = Program::find("pg_basebackup", facts.major).await?;
    let expected = folder.readable_bases()?.first().map_or(0, |base| base.manifest.bytes);
    let (_, begun_at) = server.now().await?;
    let incomplete = folder.begin()?;
    let data = incomplete.data();
    let arguments = arguments(&data, options, parent.as_ref());
    let at = Address::parse(engine.url())?;
    let report = || {
        let written = bytes_in(&data);
        progress.report(written, expected.max(written));
    };
    program.run(&arguments, &at, report).await?;
    // The copy is consistent now: a commit from here on is after it.
    let (_, ended_at) = server.now().await?;
    server.close().await;
    verify_data(&data, facts.major).await?;
    let of = data.clone();
    let (text, bytes) = blocking("reading a base", move || {
        let path = of.join(BACKUP_MANIFEST);
        Ok((std::fs::read(&path).map_err(Error::file("reading", &path))?, bytes_in(&of)))
    })
    .await?;
    let range = range_of(&text)?;
    let base = BaseManifest {
        format: FORMAT,
        id: id_of(begun_at),
        begun_at,
        ended_at,
        server: facts.version,
        tool: program.shown(),
        system_identifier: facts.system_identifier,
        timeline: range.0,
        start: range.1,
        end: range.2,
        parent: parent.map(|parent| parent.manifest.id),
        bytes,
        backup_manifest: sha256(&text),
        superuser: facts.superuser,
        database: facts.database,
        max_prepared_transactions: facts.max_prepared_transactions,
    };
    let base = incomplete.publish(base)?;
    progress.report(bytes, bytes);
    Ok(base)
}

fn id_of(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true).chars().filter(char::is_ascii_alphanumeric).collect()
}

fn refuse_tablespaces(facts: &ServerFacts) -> Result<()> {
    if facts.tablespaces == 0 {
        return Ok(());
    }
    let reason = "the server has tablespaces, whose files lie outside of its data directory; use pgBackRest for it";
    Err(Error::PitrRefused { reason: reason.to_owned() })
}

/// The base of which the changes are copied.
fn parent(folder: &PitrFolder, options: &BaseOptions, facts: &ServerFacts) -> Result<Option<Base>> {
    let refused = |reason: String| Err(Error::PitrRefused { reason });
    if !options.incremental {
        return Ok(None);
    }
    if facts.major < 17 {
        return refused(format!("an incremental base needs PostgreSQL 17, and the server is {}", facts.version));
    }
    if !facts.summarizes_wal {
        let sql = "ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf()";
        return refused(format!("an incremental base needs the setting summarize_wal; run `{sql}`"));
    }
    match folder.readable_bases()?.into_iter().next() {
        Some(base) => Ok(Some(base)),
        None => refused("there is no base yet; make one without --incremental first".to_owned()),
    }
}

fn arguments(data: &Path, options: &BaseOptions, parent: Option<&Base>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = [
        "--format=plain",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--no-password",
        "--label=rylie pitr",
    ]
    .map(OsString::from)
    .into();
    let mut with = |name: &str, value: OsString| {
        let mut argument = OsString::from(name);
        argument.push(value);
        arguments.push(argument);
    };
    with("--pgdata=", data.as_os_str().to_owned());
    if let Some(rate) = &options.max_rate {
        with("--max-rate=", rate.into());
    }
    if let Some(parent) = parent {
        with("--incremental=", parent.data().join(BACKUP_MANIFEST).into_os_string());
    }
    arguments
}

/// The timeline on which the copy begins, and the first and the last position of the WAL that it needs.
fn range_of(text: &[u8]) -> Result<(u32, Lsn, Lsn)> {
    let wrong = |reason: &str| Error::Program { program: "pg_basebackup", reason: reason.to_owned() };
    let manifest: BackupManifest = serde_json::from_slice(text).map_err(|_| wrong("its manifest cannot be read"))?;
    // The server lists the newest timeline first.
    let (Some(last), Some(first)) = (manifest.ranges.first(), manifest.ranges.last()) else {
        return Err(wrong("its manifest names no range of the WAL"));
    };
    Ok((last.timeline, first.start.parse()?, last.end.parse()?))
}

#[cfg(test)]
mod tests {
    use super::{Lsn, range_of};

    #[test]
    fn the_range_of_the_log_is_read() {
        let text = br#"{ "PostgreSQL-Backup-Manifest-Version": 1, "Files": [ { "Path": "a", "Size": 1 } ],
            "WAL-Ranges": [ { "Timeline": 1, "Start-LSN": "0/2000028", "End-LSN": "0/2000100" } ], "Manifest-Checksum": "d8" }"#;
        assert_eq!(range_of(text).unwrap(), (1, Lsn(0x0200_0028), Lsn(0x0200_0100)));
        assert!(range_of(br#"{"WAL-Ranges":[]}"#).is_err() && range_of(b"").is_err());
    }
}
