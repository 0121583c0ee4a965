//! A SQLite file that replaces another one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rylie_driver::code_of;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::backup::address::file_of;
use crate::backup::checksum::random;
use crate::error::{Error, Result};
use crate::files::sync_folder;

/// How long to wait for other users of the file.
const BUSY: Duration = Duration::from_secs(5);

/// Files that SQLite keeps next to a database.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

pub(super) struct SqliteReplacement {
    target: PathBuf,
    new: PathBuf,
    url: String,
    kept_as: String,
    is_swapped: bool,
}

impl SqliteReplacement {
    pub(super) async fn begin(url: &str, suffix: &str) -> Result<Self> {
        let file = file_of(url)?;
        let target = PathBuf::from(&file);
        released(alone(&target).await?).await?;
        let kept_as = format!("{file}.{suffix}");
        if Path::new(&kept_as).exists() {
            return Err(Error::FileExists { path: kept_as.into() });
        }
        let new = format!("{file}.restoring-{}", random()?);
        Ok(Self { target, url: format!("sqlite://{new}"), new: new.into(), kept_as, is_swapped: false })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn kept_as(&self) -> &str {
        &self.kept_as
    }

    /// The old file keeps a second name, and the new one takes its first name in one step.
    pub(super) async fn swap(&mut self) -> Result<()> {
        // The files beside the new one must not be left behind: they are merged into it.
        released(alone(&self.new).await?).await?;
        let old = alone(&self.target).await?;
        let failed = Error::file("replacing", &self.target);
        as_before(&self.target, &self.new).map_err(&failed)?;
        fs::File::open(&self.new).and_then(|file| file.sync_all()).map_err(&failed)?;
        fs::hard_link(&self.target, &self.kept_as).map_err(&failed)?;
        if let Err(error) = fs::rename(&self.new, &self.target) {
            // The second name of the file that stays.
            let _ = fs::remove_file(&self.kept_as);
            return Err(failed(error));
        }
        self.is_swapped = true;
        released(old).await?;
        self.target.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
    }

    pub(super) fn remove(mut self) -> Result<()> {
        self.clear().map_err(Error::file("removing", &self.new))
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if std::mem::replace(&mut self.is_swapped, true) {
            return Ok(());
        }
        for beside in BESIDE {
            let mut name = self.new.clone().into_os_string();
            name.push(beside);
            // Most often there is none.
            let _ = fs::remove_file(name);
        }
        match fs::remove_file(&self.new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for SqliteReplacement {
    fn drop(&mut self) {
        // A stopped restore leaves nothing. A file that cannot be removed has no user.
        let _ = self.clear();
    }
}

/// Merges the write-ahead log into the file, and holds the file alone. Refused while another process has it open with such
/// a log, as rylie's processes do.
async fn alone(path: &Path) -> Result<SqliteConnection> {
    let failed = |error: sqlx::Error| {
        // SQLITE_BUSY and its extended codes.
        let is_busy = code_of(&error).and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5);
        if !is_busy {
            return Error::engine(format!("locking {}", path.display()))(error);
        }
        let reason = format!("another process has {} open; stop the services that use it", path.display());
        Error::BackupRefused { reason }
    };
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).busy_timeout(BUSY);
    let mut connection = options.disable_statement_logging().connect().await.map_err(failed)?;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode = DELETE").fetch_one(&mut connection).await.map_err(failed)?;
    if !mode.eq_ignore_ascii_case("delete") {
        let reason = format!("the write-ahead log of {} cannot be merged", path.display());
        return Err(Error::BackupRefused { reason });
    }
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection).await.map_err(failed)?;
    Ok(connection)
}

async fn released(connection: SqliteConnection) -> Result<()> {
    connection.close().await.map_err(Error::engine("closing the database file"))
}

/// The new file is for the same users as the old one.
fn as_before(old: &Path, new: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let before = fs::metadata(old)?;
    let after = fs::metadata(new)?;
    if (before.uid(), before.gid()) != (after.uid(), after.gid()) {
        chown(new, Some(before.uid()), Some(before.gid()))?;
    }
    fs::set_permissions(new, before.permissions())
}
