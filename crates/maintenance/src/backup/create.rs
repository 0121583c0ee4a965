//! Making a backup.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use rylie_audit::SigningKey;
use rylie_repositories::Progress;

use super::backup_folder::{Backup, BackupFolder};
use super::checksum::{of_file, sync_folder};
use super::manifest::{BackupFile, FORMAT, Manifest};
use super::survey::Survey;
use crate::engine::Engine;
use crate::error::{Error, Result};

pub(super) use postgres::DUMP;
pub(super) use sqlite::{FILE, open};

/// How a backup is made.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// How many tables are copied at once, from 1 on; PostgreSQL only. Each takes a connection.
    pub jobs: u32,
}

/// What the engine's part of a backup returns.
struct Copied {
    survey: Survey,
    server: String,
    tool: String,
}

/// Copies the database into the folder, and returns the backup.
///
/// The copy is one consistent state; writers continue. It is complete when it appears under its name, and on disk; until
/// then no list shows it, and a failure leaves nothing. Only its owner may read it. With `key` the manifest is signed.
/// `progress` receives bytes. [`Error::BackupRefused`] for a login that row-level security filters, and for a server that is
/// newer than the installed `pg_dump`.
///
/// PostgreSQL: takes one connection for the counts, and one more than `options.jobs` for `pg_dump`. Reads each table twice.
/// SQLite: `VACUUM INTO`.
pub async fn create_backup(
    engine: &Engine,
    folder: &BackupFolder,
    now: DateTime<Utc>,
    options: CreateOptions,
    key: Option<&SigningKey>,
    progress: &Progress,
) -> Result<Backup> {
    let expected = last_size(folder)?;
    let incomplete = folder.begin()?;
    let path = incomplete.path();
    let copied = if engine.is_sqlite() {
        sqlite::copy(engine, path).await?
    } else {
        postgres::copy(engine, path, options, expected, progress).await?
    };
    let of = path.to_owned();
    let files = tokio::task::spawn_blocking(move || sealed_files(&of)).await;
    let files = files.map_err(|error| Error::file("reading", path)(std::io::Error::other(error)))??;
    let Copied { survey, server, tool } = copied;
    let fingerprint = survey.fingerprint.ok_or_else(|| Error::BackupRefused {
        reason: "the database has no environment marker; run `rylie migrate deploy` or `rylie adopt` first".to_owned(),
    })?;
    let made_at = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let manifest = Manifest {
        format: FORMAT,
        id: made_at.chars().filter(char::is_ascii_alphanumeric).collect(),
        made_at: now,
        engine: if engine.is_sqlite() { "sqlite" } else { "postgres" }.to_owned(),
        server,
        tool,
        fingerprint,
        migrations: survey.migrations,
        log_position: survey.log_position,
        rows: survey.rows,
        contents: survey.contents,
        tenants: survey.tenants,
        checkpoint: survey.checkpoint,
        public_keys: survey.public_keys,
        keys: survey.keys.into_iter().collect(),
        roles: survey.roles,
        extensions: survey.extensions,
        locale: survey.locale,
        files,
    };
    let bytes = manifest.bytes();
    let backup = incomplete.publish(folder, manifest, key)?;
    progress.report(bytes, bytes);
    Ok(backup)
}

/// The size of the newest backup, as an estimate of the next one's.
fn last_size(folder: &BackupFolder) -> Result<Option<u64>> {
    Ok(folder.list()?.into_iter().find_map(|listed| Some(listed.backup.ok()?.manifest.bytes())))
}

/// Every file below a folder with its checksum: for its owner alone, and on disk.
fn sealed_files(folder: &Path) -> Result<BTreeMap<String, BackupFile>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let failed = Error::file("reading", &current);
        for entry in std::fs::read_dir(&current).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            close_to_others(&path).map_err(Error::file("protecting", &path))?;
            std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(Error::file("syncing", &path))?;
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, of_file(&path)?);
        }
        sync_folder(&current)?;
    }
    Ok(files)
}

#[cfg(unix)]
fn close_to_others(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> std::io::Result<()> {
    Ok(())
}
