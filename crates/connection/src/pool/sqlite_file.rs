//! Whose a SQLite file is, found out without a change to it.

use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::error::{Error, Result};

/// How a file is looked at.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Look {
    /// As every reader does.
    Locked,
    /// As one that has no locks and makes no log of writes ahead: good for a file that nobody has open.
    Untouched,
}

/// The files that this process has looked at. None is opened beside SQLite a second time: closing it would end the locks that
/// SQLite has on it for this process (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
static LOOKED_AT: LazyLock<Mutex<HashMap<PathBuf, Look>>> = LazyLock::new(Mutex::default);

/// A connection that only looks; `None` where there is no file, or nothing in it. Neither the file nor one beside it is
/// made, changed or left.
pub(super) async fn look(options: &SqliteConnectOptions) -> Result<Option<SqliteConnection>> {
    let path = options.get_filename();
    let Some(how) = how(path).map_err(|error| Error::unreachable(sqlx::Error::from(error)))? else { return Ok(None) };
    let untouched = how == Look::Untouched && !beside(path, "-wal").exists();
    let options = options.clone().create_if_missing(false).read_only(true).immutable(untouched);
    Ok(Some(options.disable_statement_logging().connect().await?))
}

/// [`Error::ForeignFile`] for a file with tables of which none is ours.
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

/// `None` where there is no file, or an empty one. A file with a log of writes ahead in its header, and none beside it, is
/// open nowhere.
fn how(path: &Path) -> std::io::Result<Option<Look>> {
    let size = match std::fs::metadata(path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    if size == 0 {
        // Whoever makes it is this process, or has it open.
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
    /// Where the header says in which version the file is read.
    const READ_VERSION: usize = 19;
    let mut header = [0; READ_VERSION + 1];
    let read = std::fs::File::open(path)?.read_exact(&mut header);
    // A file that is too short is for SQLite to refuse.
    Ok(if read.is_ok() && header[READ_VERSION] == 2 { Look::Untouched } else { Look::Locked })
}

fn remember(path: &Path, look: Look) -> Look {
    looked_at().insert(absolute(path), look);
    look
}

fn looked_at() -> std::sync::MutexGuard<'static, HashMap<PathBuf, Look>> {
    LOOKED_AT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One name a file, also where it is reached by a link.
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
