//! Restoring a backup: its files are checked first, then copied into an empty database.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::Stdio;

use rylie_repositories::Progress;

use super::address::{Address, file_of};
use super::backup_folder::Backup;
use super::check::BackupCheck;
use super::checksum::of_reader;
use super::create::{ARCHIVE, DUMP, FILE};
use super::open::OpenBackup;
use super::program::{Program, pipe};
use crate::error::{Error, Result};
use crate::files::{blocking, sync_folder};

impl Backup {
    /// Compares each file with its size and checksum in the manifest, and names the first that differs. Reads every
    /// byte; needs no key. A file that differs is a failed check, and no error.
    pub async fn check_files(&self) -> Result<BackupCheck> {
        let files = &self.manifest.files;
        let names: Vec<&String> = files.keys().collect();
        let sizes: BTreeMap<String, u64> = self.place.sizes(&self.manifest.id, &names).await?;
        for (name, expected) in files {
            let failed = |reason: String| Ok(BackupCheck::failed("files", format!("{name} {reason}")));
            let Some(found) = sizes.get(name) else { return failed("is missing".to_owned()) };
            if *found < expected.bytes {
                return failed(format!("is truncated: {found} bytes of {}", expected.bytes));
            }
            let reader = self.place.reader(&self.name(name))?;
            let read = tokio::task::spawn_blocking(move || of_reader(reader)).await;
            let read = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            let doing = || format!("reading {}", self.place.address(&self.name(name)));
            if read.map_err(|source| Error::File { doing: doing(), source })? != *expected {
                return failed("was changed: its checksum differs".to_owned());
            }
        }
        Ok(BackupCheck::ok("files", format!("{} files, {} bytes", files.len(), self.manifest.bytes())))
    }
}

/// Restores a backup into an empty PostgreSQL database, or to the path of a SQLite file that does not exist. Ends at the
/// first error; what was restored until then stays. A stream is decrypted on its way: no plain file but the database
/// appears. `jobs` counts for a plain copy of PostgreSQL in a folder only.
///
/// [`Error::Program`] if PostgreSQL's program refuses the copy, [`Error::BackupDamaged`] for a damaged or changed
/// stream. [`Error::BackupRefused`] if the installed program is older than the backup's. [`Error::FileExists`] for a
/// SQLite file that exists.
pub async fn restore_into(backup: &OpenBackup, url: &str, jobs: u32, progress: &Progress) -> Result<()> {
    if backup.manifest.is_sqlite() {
        return restore_file(backup, Path::new(&file_of(url)?)).await;
    }
    let bytes = backup.manifest.bytes();
    progress.report(0, bytes);
    // Older programs do not read the archive of a newer one.
    let made_by = backup.manifest.tool.rsplit(' ').next().and_then(|version| version.split('.').next());
    let major = made_by.and_then(|major| major.parse().ok()).unwrap_or_default();
    let program = Program::find("pg_restore", major).await?;
    let at = Address::parse(url)?;
    let stream = backup.stored_name(ARCHIVE);
    if backup.manifest.files.contains_key(&stream) {
        restore_stream(backup, &stream, &program, &at, progress).await?;
    } else {
        let folder = backup.backup().path(DUMP).ok_or_else(|| Error::BackupDamaged {
            id: backup.manifest.id.clone(),
            reason: format!("its manifest names no {stream}"),
        })?;
        let own = ["--format=directory".into(), format!("--jobs={}", jobs.max(1)).into(), folder.into_os_string()];
        program.run(&arguments(own), &at, || progress.report(0, bytes)).await?;
    }
    progress.report(bytes, bytes);
    Ok(())
}

fn arguments<const N: usize>(own: [OsString; N]) -> Vec<OsString> {
    let words = [
        "--exit-on-error",
        "--no-password",
        "--dbname=keepalives_idle=60 keepalives_interval=10 keepalives_count=6 tcp_user_timeout=120000",
    ];
    words.into_iter().map(OsString::from).chain(own).collect()
}

/// Through a pipe: one table after the other.
async fn restore_stream(
    backup: &OpenBackup,
    name: &str,
    program: &Program,
    at: &Address,
    progress: &Progress,
) -> Result<()> {
    let bytes = backup.manifest.bytes();
    let (from, to) = pipe()?;
    let reader = backup.reader(name).await?;
    let copying = tokio::task::spawn_blocking(move || copy(reader, to));
    let arguments = arguments(["--format=custom".into()]);
    let restored =
        program.run_with(&arguments, at, Stdio::from(from), Stdio::null(), || progress.report(0, bytes)).await;
    let copied = copying.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    match copied {
        // The program has ended first.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => restored,
        Err(error) => Err(unreadable(backup, name, error)),
        Ok(()) => restored,
    }
}

fn copy(mut from: Box<dyn Read + Send>, mut to: impl std::io::Write) -> std::io::Result<()> {
    std::io::copy(&mut from, &mut to)?;
    to.flush()
}

/// A stream that ends too early or is not authentic is damage.
fn unreadable(backup: &OpenBackup, name: &str, source: std::io::Error) -> Error {
    let is_damage = matches!(source.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
    if is_damage && backup.manifest.encryption.is_some() {
        let reason = format!("{name} is truncated or was changed: {source}");
        return Error::BackupDamaged { id: backup.manifest.id.clone(), reason };
    }
    Error::File { doing: format!("reading {name} of the backup {}", backup.manifest.id), source }
}

/// Copies the file under another name first, and syncs it.
async fn restore_file(backup: &OpenBackup, to: &Path) -> Result<()> {
    if to.exists() {
        return Err(Error::FileExists { path: to.to_owned() });
    }
    let name = backup.stored_name(FILE);
    let (mut from, target) = (backup.reader(&name).await?, to.to_owned());
    let copy = move || -> Result<std::io::Result<()>> {
        let failed = Error::file("restoring to", &target);
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".rylie-").tempfile_in(folder).map_err(&failed)?;
        if let Err(error) = std::io::copy(&mut from, file.as_file_mut()) {
            return Ok(Err(error));
        }
        file.as_file().sync_all().map_err(&failed)?;
        file.persist_noclobber(&target).map_err(|error| failed(error.error))?;
        sync_folder(folder)?;
        Ok(Ok(()))
    };
    blocking("restoring a file", copy).await?.map_err(|error| unreadable(backup, &name, error))
}
