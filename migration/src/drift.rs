//! The live schema against the one that the migrations make.
//!
//! Reads only. What should be there lies beside the code as a file, because in production there is no place to make it.

mod compare;
mod mend;
mod owners;
mod snapshot;
mod sqlite;

use std::fmt;

use serde::Serialize;

use crate::deploy::Migrations;
use crate::error::Result;
use crate::guard;
use crate::mark::{self, State};
use crate::step::Engine;

pub use snapshot::Snapshot;

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Drift {
    /// Where the schema is not as the migrations make it, in an order in which it can be mended.
    pub differences: Vec<Deviation>,
    /// What is there beyond that, and harms nothing: tables, columns, indexes, constraints, functions, views of somebody else's.
    pub extra: Vec<String>,
    /// Migrations that are not applied yet. While there are any, nothing is compared: most differences would be theirs.
    pub pending: Vec<String>,
}

/// Something that is not as the migrations make it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Deviation {
    /// What it is about: `column User.email`.
    pub object: String,
    /// How the migrations make it.
    pub expected: String,
    /// How it is.
    pub found: String,
    /// Statements that mend it, each to be sent by itself, in this order, as the tables' owner; those of a role by a superuser. They
    /// lock no longer than a catalog change, but for what `note` says.
    pub fix: Vec<String>,
    /// What to mind before mending it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.object, self.expected, self.found)
    }
}

impl Migrations {
    /// Compares the live schema with what the migrations make. Reads only, in one statement beside those that read the record and the
    /// mark, and takes no right but to read these two. On SQLite the migrations are applied to a database in memory for comparison.
    pub async fn drift(&mut self) -> Result<Drift> {
        guard::refuse_newer(&mut self.connection, self.list).await?;
        let pending = self.history().await?.pending();
        if !pending.is_empty() {
            let pending = pending.iter().map(|migration| migration.name().to_owned()).collect();
            return Ok(Drift { pending, ..Drift::default() });
        }
        if self.engine() == Engine::Sqlite {
            return sqlite::drift(&mut self.connection).await;
        }
        let shared = mark::read(&mut self.connection).await?.is_some_and(|mark| mark.state == State::Coexistence);
        let live = Snapshot::read(&mut self.connection).await?;
        let mut drift = compare::compare(&expected_in(shared), &live);
        drift.differences.extend(owners::deviations(&mut self.connection).await?);
        Ok(drift)
    }

    /// The schema as it is, in every part that migrations make. PostgreSQL.
    pub async fn snapshot(&mut self) -> Result<Snapshot> {
        Snapshot::read(&mut self.connection).await
    }
}

/// In a database shared with the old service, which works as the owner, nothing is forced.
fn expected_in(shared: bool) -> Snapshot {
    let mut expected = Snapshot::expected();
    for table in expected.tables.values_mut().filter(|table| shared && table.row_security == "forced") {
        "enabled".clone_into(&mut table.row_security);
    }
    expected
}
