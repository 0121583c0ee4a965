//! Compares the live schema with the one that the migrations create.
//!
//! Reads only. The expected schema is a file next to the code, because production has no place to create it.

mod compare;
mod fix;
mod own;
mod owners;
mod snapshot;
mod sqlite;

use std::fmt;

use serde::Serialize;

use crate::deploy::coexistence;
use crate::error::Result;
use crate::guard;
use crate::marker::{self, State};
use crate::migrations::m20261123_000008_enable_row_level_security as row_level_security;
use crate::own::is_own;
use crate::roles::grants;
use crate::session::Migrations;
use crate::step::Engine;

pub use snapshot::Snapshot;

/// The result of a comparison.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Drift {
    /// Deviations from the migrations' schema, in an order in which they can be fixed.
    pub differences: Vec<Deviation>,
    /// Harmless objects beyond that schema: tables, columns, indexes, constraints, functions and views that are not
    /// ours.
    pub extra: Vec<String>,
    /// Pending migrations. While there are any, nothing is compared, because they explain most differences.
    pub pending: Vec<String>,
}

/// An object that differs from the migrations' schema.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Deviation {
    /// The object, for example `column User.email`.
    pub object: String,
    /// Its definition in the migrations.
    pub expected: String,
    /// Its current definition.
    pub found: String,
    /// Statements that fix it. Send each separately, in this order, as the table owner; those of a role as a superuser.
    /// Locks last no longer than a catalog change, except as `note` says.
    pub fix: Vec<String>,
    /// A warning to read before fixing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.object, self.expected, self.found)
    }
}

impl Migrations {
    /// Compares the live schema with the migrations'.
    ///
    /// Reads only. Needs no right except to read the migration records and the environment marker; all else is one
    /// statement. On SQLite, applies the migrations to an in-memory database for comparison.
    pub async fn drift(&mut self) -> Result<Drift> {
        let drift = self.compare().await;
        self.explained(drift)
    }

    async fn compare(&mut self) -> Result<Drift> {
        guard::refuse_newer(&mut self.connection, &self.list).await?;
        let pending = self.history().await?.pending();
        if !pending.is_empty() {
            let pending = pending.iter().map(|migration| migration.name().to_owned()).collect();
            return Ok(Drift { pending, ..Drift::default() });
        }
        if self.engine() == Engine::Sqlite {
            let own: Vec<_> = self.list.iter().copied().filter(|migration| is_own(migration.name())).collect();
            return sqlite::drift(&mut self.connection, &own).await;
        }
        let shared = marker::read(&mut self.connection).await?.is_some_and(|mark| mark.state == State::Coexistence);
        let mut expected = expected_in(shared);
        let live = Snapshot::read(&mut self.connection).await?;
        if shared {
            let needed = coexistence::losing(&mut self.connection).await?.iter().any(|login| login.via != ["owner"]);
            share(&mut expected, &live, needed);
        }
        for table in crate::own::tables(&self.list) {
            own::add(&mut expected, &table, &live);
        }
        let mut drift = compare::compare(&expected, &live);
        for right in grants::unexpected(&mut self.connection).await? {
            let named = |found: &Deviation| found.object == right.object();
            // The functions' comparison covers whether `PUBLIC` may execute one.
            if !right.is_everybodys_function() && !drift.differences.iter().any(named) {
                let (object, expected, found, fix) =
                    (right.object(), right.expected(), right.found(), vec![right.fix()]);
                drift.differences.push(Deviation { object, expected, found, fix, note: None });
            }
        }
        drift.differences.extend(owners::deviations(&mut self.connection).await?);
        Ok(drift)
    }

    /// Returns the current schema with everything that migrations create. PostgreSQL.
    pub async fn snapshot(&mut self) -> Result<Snapshot> {
        Snapshot::read(&mut self.connection).await
    }
}

/// Adds the objects of the coexistence to the expected schema. They count as missing only if a login needs them.
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
    for (table, name, column) in coexistence::INDEXES {
        let there = live.tables.get(table).is_some_and(|table| table.indexes.contains_key(name));
        if let Some(expected) = expected.tables.get_mut(table).filter(|_| needed || there) {
            let definition = format!("CREATE INDEX {name} ON public.\"{table}\" USING btree ({column})");
            expected.indexes.insert(name.to_owned(), definition);
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

/// Returns the expected schema. In a database shared with the old service, which works as the owner, no policy is
/// forced.
fn expected_in(shared: bool) -> Snapshot {
    let mut expected = Snapshot::expected();
    for table in expected.tables.values_mut().filter(|table| shared && table.row_security == "forced") {
        "enabled".clone_into(&mut table.row_security);
    }
    expected
}
