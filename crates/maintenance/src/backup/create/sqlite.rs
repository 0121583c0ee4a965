//! Copying a SQLite database by `VACUUM INTO`.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Copied;
use crate::backup::survey::survey_sqlite;
use crate::engine::{Engine, Session};
use crate::error::{Error, Result};

/// The file of the copy within the backup.
pub(in crate::backup) const FILE: &str = "database.sqlite";

pub(super) async fn copy(engine: &Engine, folder: &Path) -> Result<Copied> {
    let failed = || Error::engine("copying the file of the database");
    let Session::Sqlite(mut connection) = engine.connect().await? else {
        return Err(Error::invalid("the database URL", "it must be sqlite://file.db"));
    };
    let path = folder.join(FILE);
    let text = path.to_str().ok_or_else(|| Error::invalid("the place of backups", "its path must be UTF-8"))?;
    sqlx::query("VACUUM INTO $1").bind(text).execute(&mut connection).await.map_err(failed())?;
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.map_err(failed())?;
    drop(connection);
    // The copy is the snapshot: what it holds is what the manifest states.
    let mut copy = open(&path).await?;
    let survey = survey_sqlite(&mut copy).await.map_err(Error::engine("reading the copy"))?;
    copy.close().await.map_err(failed())?;
    Ok(Copied { survey, tool: format!("SQLite {version}"), server: version })
}

/// Opens a copy to read; no other file appears.
pub(in crate::backup) async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true).immutable(true);
    options.disable_statement_logging().connect().await.map_err(Error::engine("opening the copy"))
}
