//! Finds out whose a SQLite file is, without changing it.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::error::{Error, Result};

/// How a file is inspected.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Look {
    /// With locks, like any reader.
    Locked,
    /// Without locks and without a write-ahead log: only for a file that no process has open.
    Untouched,
}

/// The files that this process has inspected. None is opened a second time outside SQLite: closing it would release the
/// locks that SQLite holds on it for this process (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
static LOOKED_AT: LazyLock<Mutex<HashMap<PathBuf, Look>>> = LazyLock::new(Mutex::default);

/// Opens a read-only connection; `None` if the file is missing or empty. Neither creates nor changes the file or one
/// next to it.
pub(super) async fn look(options: &SqliteConnectOptions) -> Result<Option<SqliteConnection>> {
    let path = options.get_filename();
    let Some(how) = how(path).map_err(|error| Error::unreachable(sqlx::Error::from(error)))? else { return Ok(None) };
    let untouched = how == Look::Untouched && !beside(path, "-wal").exists();
    let options = options.clone().create_if_missing(false).read_only(true).immutable(untouched);
    Ok(Some(options.disable_statement_logging().connect().await?))
}

/// Fails with [`Error::ForeignFile`] for a file with tables, none of them ours.
pub(super) async fn refuse_foreign(options: &SqliteConnectOptions) -> Result<()> {
    let Some(mut connection) = look(options).await? else { return Ok(()) };
    let sql = "SELECT count(*) FILTER (WHERE name LIKE 'rylie\\_%' ESCAPE '\\'), count(*) FROM sqlite_schema \
               WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'seaql_migrations'";
    let counted: sqlx::Result<(i64, i64)> = sqlx::query_as(sql).fetch_one(&mut connection).await;
    connection.close().await?;
    let (ours, tables) = counted?;
    if tables > 0 && ours == 0 {
        return Err(Error::ForeignFile);
    }
    remember(options.get_filename(), Look::Locked);
    Ok(())
}

/// Returns how to inspect the file; `None` if it is missing or empty. If the header names a write-ahead log and there
/// is none next to the file, no process has it open.
fn how(path: &Path) -> std::io::Result<Option<Look>> {
    let size = match std::fs::metadata(path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if size == 0 {
        // This process creates the file or has it open.
        remember(path, Look::Locked);
        return Ok(None);
    }
    let known = looked_at().get(&absolute(path)).copied();
    Ok(Some(match known {
        Some(look) => look,
        None => remember(path, by_header(path)?),
    }))
}

fn by_header(path: &Path) -> std::io::Result<Look> {
    /// The offset of the header's read version.
    const READ_VERSION: usize = 19;
    let mut header = [0; READ_VERSION + 1];
    let read = std::fs::File::open(path)?.read_exact(&mut header);
    // SQLite refuses a file that is too short.
    Ok(if read.is_ok() && header[READ_VERSION] == 2 { Look::Untouched } else { Look::Locked })
}

fn remember(path: &Path, look: Look) -> Look {
    looked_at().insert(absolute(path), look);
    look
}

fn looked_at() -> std::sync::MutexGuard<'static, HashMap<PathBuf, Look>> {
    LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resolves symbolic links, so that a file has one name.
fn absolute(path: &Path) -> PathBuf {
    let resolved = path.canonicalize().or_else(|_| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok::<_, std::io::Error>(folder.canonicalize()?.join(path.file_name().unwrap_or_default()))
    });
    resolved.unwrap_or_else(|_| path.to_owned())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
