//! Whether a SQLite file is sound.

use serde::Serialize;

use crate::engine::{Engine, Session};
use crate::error::{Error, Result};

/// How much of a damage is told: the rest follows from the first.
const MOST: usize = 10;

/// What a check found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Integrity {
    /// What is damaged, ten lines at most; empty if nothing is. No value of a row is in it.
    pub damage: Vec<String>,
}

/// Reads the whole file of a SQLite database, compares tables with their indexes, and looks for rows whose parent is
/// missing. Readers and writers go on. PostgreSQL has nothing of the kind built in, and is found sound.
pub async fn check_integrity(engine: &Engine) -> Result<Integrity> {
    let Session::Sqlite(mut connection) = engine.connect().await? else { return Ok(Integrity::default()) };
    let failed = || Error::engine("checking the file");
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check(10)").fetch_all(&mut connection).await.map_err(failed())?;
    let orphans = "SELECT \"table\" || ': row ' || coalesce(rowid, '') || ' refers to nothing in ' || parent \
         FROM pragma_foreign_key_check LIMIT 10";
    let orphans: Vec<String> = sqlx::query_scalar(orphans).fetch_all(&mut connection).await.map_err(failed())?;
    let damage = found.into_iter().filter(|line| line != "ok").chain(orphans).take(MOST).collect();
    Ok(Integrity { damage })
}
