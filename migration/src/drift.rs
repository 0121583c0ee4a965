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
use crate::deploy::coexistence;
use crate::error::Result;
use crate::guard;
use crate::mark::{self, State};
use crate::migrations::m20261123_000008_enable_row_level_security as row_level_security;
use crate::roles::grants;
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
        let mut expected = expected_in(shared);
        let live = Snapshot::read(&mut self.connection).await?;
        if shared {
            let needed = coexistence::losing(&mut self.connection).await?.iter().any(|login| login.via != ["owner"]);
            share(&mut expected, &live, needed);
        }
        let mut drift = compare::compare(&expected, &live);
        for right in grants::unexpected(&mut self.connection).await? {
            let named = |found: &Deviation| found.object == right.object();
            // Whether everybody may call a function is compared with the function.
            if !right.is_everybodys_function() && !drift.differences.iter().any(named) {
                let (object, expected, found, fix) =
                    (right.object(), right.expected(), right.found(), vec![right.fix()]);
                drift.differences.push(Deviation { object, expected, found, fix, note: None });
            }
        }
        drift.differences.extend(owners::deviations(&mut self.connection).await?);
        Ok(drift)
    }

    /// The schema as it is, in every part that migrations make. PostgreSQL.
    pub async fn snapshot(&mut self) -> Result<Snapshot> {
        Snapshot::read(&mut self.connection).await
    }
}

/// What the coexistence adds. It is missed only where a login needs it.
fn share(expected: &mut Snapshot, live: &Snapshot, needed: bool) {
    if needed || live.functions.contains_key(coexistence::FUNCTION) {
        let definition = coexistence::CREATE_FUNCTION.to_owned();
        expected
            .functions
            .insert(coexistence::FUNCTION.to_owned(), snapshot::Function { definition, for_everybody: true });
    }
    for table in row_level_security::TABLES {
        let there = live.tables.get(table).is_some_and(|table| table.policies.contains_key(coexistence::POLICY));
        if let Some(table) = expected.tables.get_mut(table).filter(|_| needed || there) {
            table.policies.insert(coexistence::POLICY.to_owned(), coexistence::DEFINITION.to_owned());
        }
    }
    for name in coexistence::FILLING {
        let (Some(function), Some(found)) = (expected.functions.get_mut(name), live.functions.get(name)) else {
            continue;
        };
        if found.definition.contains("SECURITY DEFINER") {
            function.definition =
                function.definition.replacen(" LANGUAGE plpgsql\n", " LANGUAGE plpgsql\n SECURITY DEFINER\n", 1);
        }
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
