//! The locks and rewrites of a statement.
//!
//! They follow PostgreSQL's manual for version 15: "Explicit Locking" and the notes of `ALTER TABLE`. A test sends each
//! kind of statement to a server and compares.

mod actions;
mod statements;

use std::fmt;

use serde::{Serialize, Serializer};
use squawk_syntax::SyntaxKind as K;

pub(crate) use actions::{default_of, is_serial, is_stored, is_volatile, numbers_rows};
pub(crate) use statements::written_table;

use crate::script::{self, Part, Script};
use crate::{depth, dynamic};

/// A lock mode of a table, weakest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LockMode {
    /// Taken by a read.
    AccessShare,
    /// Taken by `SELECT … FOR UPDATE`.
    RowShare,
    /// Taken by a write.
    RowExclusive,
    /// Taken by `VACUUM`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// Taken by `CREATE INDEX`.
    Share,
    /// Taken by `CREATE TRIGGER` and a new foreign key.
    ShareRowExclusive,
    /// Taken by `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive,
    /// Taken by most forms of `ALTER TABLE`.
    AccessExclusive,
}

/// The operations that wait while a lock is held or requested.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Blocks {
    /// Only other schema changes.
    SchemaChanges,
    /// Writes to the table.
    Writes,
    /// Reads and writes.
    ReadsAndWrites,
}

impl LockMode {
    /// Returns the operations that wait; `None` if no operation of a service does.
    #[must_use]
    pub fn blocks(self) -> Option<Blocks> {
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive => None,
            Self::ShareUpdateExclusive => Some(Blocks::SchemaChanges),
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Some(Blocks::Writes),
            Self::AccessExclusive => Some(Blocks::ReadsAndWrites),
        }
    }

    /// Returns the name in PostgreSQL's manual.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for LockMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A locked table, index or view.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Locked {
    /// Its name.
    pub relation: String,
    /// The lock mode.
    pub mode: LockMode,
}

/// The locks and rewrites of a statement.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Effect {
    /// The strongest lock of each relation. If an index is dropped or rebuilt, its table is locked as well, but the
    /// statement does not name it.
    pub locks: Vec<Locked>,
    /// Whether it rewrites all rows, or all of an index. A change of type always counts: the statement does not
    /// contain the old type, so a case in which PostgreSQL skips the rewrite is not visible.
    pub rewrites: bool,
    /// Whether some of it could not be read. Then assume the strongest lock.
    pub unknown: bool,
}

impl Effect {
    /// Returns the strongest lock.
    #[must_use]
    pub fn strongest(&self) -> Option<&Locked> {
        // The first of equals is the table in the statement.
        self.locks.iter().reduce(|strongest, other| if other.mode > strongest.mode { other } else { strongest })
    }

    fn lock(mut self, relation: impl Into<String>, mode: LockMode) -> Self {
        self.add(relation.into(), mode);
        self
    }

    fn add(&mut self, relation: String, mode: LockMode) {
        match self.locks.iter_mut().find(|locked| locked.relation == relation) {
            Some(locked) => locked.mode = locked.mode.max(mode),
            None => self.locks.push(Locked { relation, mode }),
        }
    }

    fn rewriting(self) -> Self {
        Self { rewrites: true, ..self }
    }

    fn and(mut self, other: Self) -> Self {
        for Locked { relation, mode } in other.locks {
            self.add(relation, mode);
        }
        Self { rewrites: self.rewrites || other.rewrites, unknown: self.unknown || other.unknown, ..self }
    }
}

/// Returns the combined effect of these statements.
#[must_use]
pub fn effect(sql: &str) -> Effect {
    depth::with_room(|| effect_and_tables(sql)).0
}

/// Also returns the tables that the statements create. No other session uses them yet.
pub(crate) fn effect_and_tables(sql: &str) -> (Effect, Vec<String>) {
    let reading = script::read(&Script::file("", sql));
    let unknown = Effect { unknown: !reading.unread.is_empty(), ..Effect::default() };
    let made = reading.parts.iter().filter(|part| part.is_one_of(&[K::CREATE_TABLE, K::CREATE_TABLE_AS]));
    let made = made.filter_map(|part| part.table.clone()).collect();
    let mut effect = reading.parts.iter().map(of_part).fold(unknown, Effect::and);
    effect.unknown |= effect.locks.iter().any(|locked| locked.relation == dynamic::SOMETHING);
    (effect, made)
}

/// Returns the effect of one part of a statement.
pub(crate) fn of_part(part: &Part) -> Effect {
    let table = part.table.clone().unwrap_or_default();
    match actions::lock_of(&part.node) {
        Some(mode) => actions::effect_of(part, &table, mode),
        None if part.is(K::PLPGSQL_DYN_EXECUTE_STMT) => Effect { unknown: true, ..Effect::default() },
        None => statements::effect_of(part, &table),
    }
}
