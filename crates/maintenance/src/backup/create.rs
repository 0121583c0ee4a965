//! Making a backup.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use rylie_audit::SigningKey;
use rylie_repositories::Progress;

use super::backup_folder::{Backup, BackupFolder};
use super::checksum::of_file;
use super::encryption::{ENDING, EncryptTo, Recipient};
use super::manifest::{BackupEncryption, BackupFile, FORMAT, Manifest, STREAM_FORMAT};
use super::open::{DETAILS, Details};
use super::place::Incomplete;
use super::stream::Stream;
use super::survey::{NO_MARKER, Survey};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::files::{blocking, sync_folder};

pub(super) use postgres::{ARCHIVE, DUMP};
pub(super) use sqlite::{FILE, open};

/// How a backup is made.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions<'a> {
    /// How many tables are copied at once, from 1 on; of PostgreSQL to a plain folder only. Each takes a connection.
    pub jobs: u32,
    /// The recipient, if it is encrypted.
    pub encrypt: Option<EncryptTo<'a>>,
}

/// The result of the engine's part of a backup.
struct Copied {
    survey: Survey,
    server: String,
    tool: String,
    files: BTreeMap<String, BackupFile>,
}

/// How the engine's part copies.
struct Copying<'a> {
    jobs: u32,
    recipient: Option<Recipient>,
    /// The size of the newest backup.
    expected: Option<u64>,
    progress: &'a Progress,
}

/// Copies the database to a new backup, and returns it.
///
/// The copy is one consistent state; writers continue. It is complete when it appears under its name, and durable;
/// until then no list shows it, and a failure leaves nothing. In a folder only its owner may read it. With `key` the
/// manifest is signed. `progress` receives bytes. [`Error::BackupRefused`] for a login that row-level security filters,
/// and for a server that is newer than the installed `pg_dump`. The same error for a database without an environment
/// marker.
///
/// An encrypted copy, and one in object storage, is a single stream: one table after the other, in constant memory, and
/// without a plain file. Any other one of PostgreSQL takes `options.jobs` tables at once.
///
/// PostgreSQL: takes one connection for the counts, and one more than `options.jobs` for `pg_dump`. Reads each table twice.
/// SQLite: `VACUUM INTO`. For a stream that goes to a file beside the database, which is removed afterwards.
pub async fn create_backup(
    engine: &Engine,
    folder: &BackupFolder,
    now: DateTime<Utc>,
    options: CreateOptions<'_>,
    key: Option<&SigningKey>,
    progress: &Progress,
) -> Result<Backup> {
    let expected = folder.readable().await?.first().map(|backup| backup.manifest.bytes());
    let made_at = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    let id: String = made_at.chars().filter(char::is_ascii_alphanumeric).collect();
    let (recipient, encryption) = options.encrypt.map(|to| to.prepare(&id)).transpose()?.unzip();
    let mut incomplete = folder.place.begin(&id).await?;
    let copying = Copying { jobs: options.jobs, recipient, expected, progress };
    let made = make(engine, &mut incomplete, copying, (id, now), encryption).await;
    let (manifest, details) = match made {
        Ok(made) => made,
        Err(error) => {
            incomplete.abandon().await;
            return Err(error);
        }
    };
    let bytes = manifest.bytes();
    let sha256 = incomplete.publish(&manifest, key).await?;
    let mut backup = Backup::of(folder, manifest, sha256);
    if backup.manifest.encryption.is_some() {
        (backup.manifest.contents, backup.manifest.tenants) = (details.contents, details.tenants);
    }
    progress.report(bytes, bytes);
    Ok(backup)
}

/// Writes every file but the manifest. The second value is what the manifest of an encrypted backup leaves out.
async fn make(
    engine: &Engine,
    incomplete: &mut Incomplete,
    copying: Copying<'_>,
    (id, made_at): (String, DateTime<Utc>),
    encryption: Option<BackupEncryption>,
) -> Result<(Manifest, Details)> {
    let recipient = copying.recipient.clone();
    let copied = if engine.is_sqlite() {
        sqlite::copy(engine, incomplete, copying).await?
    } else {
        postgres::copy(engine, incomplete, copying).await?
    };
    let Copied { survey, server, tool, mut files } = copied;
    let no_marker = || Error::BackupRefused { reason: NO_MARKER.to_owned() };
    let mut manifest = survey.into_manifest(made_at).ok_or_else(no_marker)?;
    let mut details = Details::default();
    if recipient.is_some() {
        details = Details {
            contents: std::mem::take(&mut manifest.contents),
            tenants: std::mem::take(&mut manifest.tenants),
        };
        let text = serde_json::to_vec(&details).unwrap_or_default();
        let name = format!("{DETAILS}{ENDING}");
        let stream = Stream::of(Box::new(Cursor::new(text)), recipient, 0);
        files.insert(name.clone(), incomplete.stream(&name, stream).await?);
    }
    let is_folder = !files.contains_key(&stored(ARCHIVE, encryption.is_some())) && encryption.is_none();
    let format = if is_folder { FORMAT } else { STREAM_FORMAT };
    let engine = if engine.is_sqlite() { "sqlite" } else { "postgres" }.to_owned();
    let manifest = Manifest { format, id, engine, server, tool, encryption, files, ..manifest };
    Ok((manifest, details))
}

/// The name of a file as it is stored.
fn stored(name: &str, is_encrypted: bool) -> String {
    if is_encrypted { format!("{name}{ENDING}") } else { name.to_owned() }
}

/// Protects, syncs and measures the files of a folder.
async fn measured(folder: &Path) -> Result<BTreeMap<String, BackupFile>> {
    let of = folder.to_owned();
    blocking("reading a new backup", move || sealed_files(&of)).await
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

fn close_to_others(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))
}
