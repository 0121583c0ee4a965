//! Copying a SQLite database by `VACUUM INTO`.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::{Copied, Copying, measured, stored};
use crate::backup::place::Incomplete;
use crate::backup::private_folder::PrivateFolder;
use crate::backup::stream::Stream;
use crate::backup::survey::{Survey, survey_sqlite};
use crate::engine::{Engine, Session};
use crate::error::{Error, Result};

/// The file of the copy within the backup.
pub(in crate::backup) const FILE: &str = "database.sqlite";

pub(super) async fn copy(engine: &Engine, incomplete: &mut Incomplete, copying: Copying<'_>) -> Result<Copied> {
    let folder = incomplete.folder().filter(|_| copying.recipient.is_none());
    if let Some(folder) = folder {
        let path = folder.join(FILE);
        let text = path.to_str().ok_or_else(|| Error::invalid("the place of backups", "its path must be UTF-8"))?;
        let (survey, version) = vacuum_into(engine, text).await?;
        let files = measured(folder).await?;
        return Ok(Copied { survey, tool: format!("SQLite {version}"), server: version, files });
    }
    let private = PrivateFolder::beside(engine.url())?;
    let path = private.file(FILE)?;
    let (survey, version) = vacuum_into(engine, &path).await?;
    let failed = Error::file("reading", Path::new(&path));
    let file = std::fs::File::open(&path).map_err(&failed)?;
    let bytes = file.metadata().map_err(&failed)?.len();
    copying.progress.report(0, bytes);
    let name = stored(FILE, copying.recipient.is_some());
    let stream = Stream::of(Box::new(file), copying.recipient, bytes);
    let file = incomplete.stream(&name, stream).await?;
    Ok(Copied { survey, tool: format!("SQLite {version}"), server: version, files: BTreeMap::from([(name, file)]) })
}

/// Copies the database to a new file, and reads what the copy holds; also the version of SQLite.
async fn vacuum_into(engine: &Engine, path: &str) -> Result<(Survey, String)> {
    let failed = || Error::engine("copying the file of the database");
    let Session::Sqlite(mut connection) = engine.connect().await? else {
        return Err(Error::invalid("the database URL", "it must be sqlite://file.db"));
    };
    sqlx::query("VACUUM INTO $1").bind(path).execute(&mut connection).await.map_err(failed())?;
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.map_err(failed())?;
    drop(connection);
    // The copy is the snapshot: what it holds is what the manifest states.
    let mut copy = open(Path::new(path)).await?;
    let survey = survey_sqlite(&mut copy).await.map_err(Error::engine("reading the copy"))?;
    copy.close().await.map_err(failed())?;
    Ok((survey, version))
}

/// Opens a copy to read; no other file appears.
pub(in crate::backup) async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false).read_only(true).immutable(true);
    options.disable_statement_logging().connect().await.map_err(Error::engine("opening the copy"))
}
