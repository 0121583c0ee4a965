//! What a statement locks, and whether it rewrites: PostgreSQL's manual, "Explicit Locking" and the notes of `ALTER TABLE`,
//! for version 15; a test sends each kind of statement to a server and compares.

mod actions;
mod statements;

use std::fmt;

use serde::{Serialize, Serializer};
use squawk_syntax::SyntaxKind as K;

pub(crate) use actions::{default_of, is_serial, is_stored, is_volatile, numbers_rows};
pub(crate) use statements::written_table;

use crate::script::{self, Part, Script};
use crate::{depth, dynamic};

/// A lock on a table, weakest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LockMode {
    /// Of a read.
    AccessShare,
    /// Of `SELECT … FOR UPDATE`.
    RowShare,
    /// Of a write.
    RowExclusive,
    /// Of `VACUUM`, `CREATE INDEX CONCURRENTLY`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// Of `CREATE INDEX`.
    Share,
    /// Of `CREATE TRIGGER` and a new foreign key.
    ShareRowExclusive,
    /// Of `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive,
    /// Of most forms of `ALTER TABLE`.
    AccessExclusive,
}

/// What has to wait while a lock is held or waited for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Blocks {
    /// Nobody but other schema changes.
    SchemaChanges,
    /// Whoever writes to the table.
    Writes,
    /// Everybody.
    ReadsAndWrites,
}

impl LockMode {
    /// Who has to wait; `None` if nothing that a service does.
    #[must_use]
    pub fn blocks(self) -> Option<Blocks> {
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive => None,
            Self::ShareUpdateExclusive => Some(Blocks::SchemaChanges),
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Some(Blocks::Writes),
            Self::AccessExclusive => Some(Blocks::ReadsAndWrites),
        }
    }

    /// As PostgreSQL's manual writes it.
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

/// A table, index or view, and how it is locked.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Locked {
    /// Its name.
    pub relation: String,
    /// How.
    pub mode: LockMode,
}

/// What a statement does to those who use the tables.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Effect {
    /// The locks, each relation once, its strongest. Of an index that is dropped or rebuilt the table is locked as well, which the
    /// statement does not name.
    pub locks: Vec<Locked>,
    /// Whether all rows, or all of an index, are written anew. The type a column had is not in the statement, so a change of type
    /// counts, also where PostgreSQL finds that it need not.
    pub rewrites: bool,
    /// Whether something in it could not be read; then take it for the strongest lock.
    pub unknown: bool,
}

impl Effect {
    /// The strongest lock.
    #[must_use]
    pub fn strongest(&self) -> Option<&Locked> {
        // The first of equals, which is the table that the statement is about.
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

/// What these statements do, all together.
#[must_use]
pub fn effect(sql: &str) -> Effect {
    depth::with_room(|| effect_and_tables(sql)).0
}

/// And the tables that they make, which nobody uses yet.
pub(crate) fn effect_and_tables(sql: &str) -> (Effect, Vec<String>) {
    let reading = script::read(&Script::file("", sql));
    let unknown = Effect { unknown: !reading.unread.is_empty(), ..Effect::default() };
    let made = reading.parts.iter().filter(|part| part.is_one_of(&[K::CREATE_TABLE, K::CREATE_TABLE_AS]));
    let made = made.filter_map(|part| part.table.clone()).collect();
    let mut effect = reading.parts.iter().map(of_part).fold(unknown, Effect::and);
    effect.unknown |= effect.locks.iter().any(|locked| locked.relation == dynamic::SOMETHING);
    (effect, made)
}

/// What one part of a statement does.
pub(crate) fn of_part(part: &Part) -> Effect {
    let table = part.table.clone().unwrap_or_default();
    match actions::lock_of(&part.node) {
        Some(mode) => actions::effect_of(part, &table, mode),
        None if part.is(K::PLPGSQL_DYN_EXECUTE_STMT) => Effect { unknown: true, ..Effect::default() },
        None => statements::effect_of(part, &table),
    }
}
