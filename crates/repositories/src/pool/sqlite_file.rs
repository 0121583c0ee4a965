//! Whose a SQLite file is, found out without a change to it.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::{Error, Result};

/// A connection that only looks; `None` where there is no file, or nothing in it. Neither the file nor one beside it is
/// made, changed or left.
pub(super) async fn look(options: &SqliteConnectOptions) -> Result<Option<SqliteConnection>> {
    let path = options.get_filename();
    let Some(journal) = journal(path).map_err(|error| Error::unreachable(error.into()))? else { return Ok(None) };
    // With a log of writes ahead in its header and none beside it nobody has the file open: read as it is, none is made.
    let untouched = journal == Journal::WriteAhead && !beside(path, "-wal").exists();
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
    if tables > 0 && ours == 0 { Err(Error::ForeignFile) } else { Ok(()) }
}

#[derive(Eq, PartialEq)]
enum Journal {
    Rollback,
    WriteAhead,
}

/// What the file's header says of its journal; `None` where there is no file or an empty one.
fn journal(path: &Path) -> std::io::Result<Option<Journal>> {
    /// Where the header says in which version the file is read.
    const READ_VERSION: usize = 19;
    let mut header = [0; READ_VERSION + 1];
    let read = match std::fs::File::open(path) {
        Ok(mut file) => {
            if file.metadata()?.len() == 0 {
                return Ok(None);
            }
            file.read_exact(&mut header)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // A file that is too short is for SQLite to refuse.
    let ahead = read.is_ok() && header[READ_VERSION] == 2;
    Ok(Some(if ahead { Journal::WriteAhead } else { Journal::Rollback }))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
