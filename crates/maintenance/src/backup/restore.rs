//! Restoring a backup: its files are checked first, then copied into an empty database.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use rylie_repositories::Progress;

use super::address::Address;
use super::backup_folder::Backup;
use super::check::BackupCheck;
use super::checksum::of_file;
use super::create::{DUMP, FILE};
use super::program::Program;
use crate::error::{Error, Result};

impl Backup {
    /// Compares each file with its size and checksum in the manifest, and names the first that differs. Reads every byte.
    pub async fn check_files(&self) -> Result<BackupCheck> {
        let backup = self.clone();
        let checked = tokio::task::spawn_blocking(move || files(&backup)).await;
        checked.map_err(|error| Error::file("reading", &self.path)(std::io::Error::other(error)))?
    }
}

fn files(backup: &Backup) -> Result<BackupCheck> {
    let files = &backup.manifest.files;
    for (name, expected) in files {
        let path = backup.path.join(name);
        let Ok(found) = fs::metadata(&path) else {
            return Ok(BackupCheck::failed("files", format!("{name} is missing")));
        };
        if found.len() < expected.bytes {
            let detail = format!("{name} is truncated: {} bytes of {}", found.len(), expected.bytes);
            return Ok(BackupCheck::failed("files", detail));
        }
        if of_file(&path)? != *expected {
            return Ok(BackupCheck::failed("files", format!("{name} was changed: its checksum differs")));
        }
    }
    Ok(BackupCheck::ok("files", format!("{} files, {} bytes", files.len(), backup.manifest.bytes())))
}

/// Restores a backup into an empty PostgreSQL database, or to the path of a SQLite file that does not exist. Ends at the
/// first error; what was restored until then stays.
pub async fn restore_into(backup: &Backup, url: &str, jobs: u32, progress: &Progress) -> Result<()> {
    if backup.manifest.is_sqlite() {
        return restore_file(backup, Path::new(&file_of(url)?)).await;
    }
    let bytes = backup.manifest.bytes();
    progress.report(0, bytes);
    // Older programs do not read the archive of a newer one.
    let made_by = backup.manifest.tool.rsplit(' ').next().and_then(|version| version.split('.').next());
    let major = made_by.and_then(|major| major.parse().ok()).unwrap_or_default();
    let program = Program::find("pg_restore", major).await?;
    let words = [
        "--exit-on-error".to_owned(),
        "--no-password".to_owned(),
        "--format=directory".to_owned(),
        format!("--jobs={}", jobs.max(1)),
        "--dbname=keepalives_idle=60 keepalives_interval=10 keepalives_count=6 tcp_user_timeout=120000".to_owned(),
    ];
    let folder = backup.path.join(DUMP).into_os_string();
    let arguments: Vec<OsString> = words.into_iter().map(OsString::from).chain([folder]).collect();
    program.run(&arguments, &Address::parse(url)?, || progress.report(0, bytes)).await?;
    progress.report(bytes, bytes);
    Ok(())
}

/// Copies the file under another name first, and syncs it.
async fn restore_file(backup: &Backup, to: &Path) -> Result<()> {
    let (from, to) = (backup.path.join(FILE), to.to_owned());
    let shown = to.clone();
    let copy = move || -> Result<()> {
        if to.exists() {
            return Err(Error::FileExists { path: to });
        }
        let failed = Error::file("restoring to", &to);
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".rylie-").tempfile_in(folder).map_err(&failed)?;
        std::io::copy(&mut fs::File::open(&from).map_err(&failed)?, file.as_file_mut()).map_err(&failed)?;
        file.as_file().sync_all().map_err(&failed)?;
        file.persist_noclobber(&to).map_err(|error| failed(error.error))?;
        super::checksum::sync_folder(folder)
    };
    let copied = tokio::task::spawn_blocking(copy).await;
    copied.map_err(|error| Error::file("restoring to", &shown)(std::io::Error::other(error)))?
}

/// The path in the URL of a SQLite database.
fn file_of(url: &str) -> Result<String> {
    let rest = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let path = rest.and_then(|rest| rest.split('?').next()).filter(|path| !path.is_empty() && *path != ":memory:");
    path.map(str::to_owned)
        .ok_or_else(|| Error::invalid("the target", "the backup is a SQLite file; name sqlite://file.db"))
}
