//! Checks a SQLite file for damage.

use serde::Serialize;

use crate::engine::{Engine, Session};
use crate::error::{Error, Result};

/// Maximum number of reported findings: the others usually follow from the first.
const MOST: usize = 10;

/// The result of a check.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Integrity {
    /// Descriptions of the damage, ten lines at most, without values of rows. Empty if there is none.
    pub damage: Vec<String>,
}

/// Reads the whole file of a SQLite database, compares tables with their indexes, and finds rows whose parent is
/// missing. Readers and writers continue. PostgreSQL has no such check, so the result is empty there. Damage is no
/// error.
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
