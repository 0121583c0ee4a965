//! Compares the applied migrations with this version's list: edited, missing, inserted and renamed migrations.

pub(crate) mod checksum;
pub(crate) mod equivalents;
pub(crate) mod journal;
pub(crate) mod record;
pub(crate) mod resolve;
pub(crate) mod squash;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::history::checksum::{chain, checksum};
use crate::migrations::Migration;
use crate::own::same_line;
use crate::step::{Engine, Step, Target};
use journal::Entry;

/// The state of a migration.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MigrationState {
    /// It is applied and unchanged.
    Applied,
    /// It is not applied yet.
    Pending,
    /// It was begun and not completed; the next deploy continues at the step.
    Failed,
    /// It was interrupted in a statement that must not run twice and may have run.
    InDoubt,
    /// It is applied, and its steps or its record have changed since.
    Edited,
    /// It is recorded as applied, but absent from this version or from SeaORM's table.
    Missing,
    /// It is new and precedes an applied one.
    Inserted,
    /// It is applied under another name.
    Renamed,
    /// It is applied but unknown: a later version or another program applied it.
    Unknown,
}

/// A migration and its state.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigrationStatus {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: MigrationState,
    /// Details: the step at which it failed, or the name under which it is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Both records, and this version's list.
pub(crate) struct History {
    engine: Engine,
    list: Arc<[&'static dyn Migration]>,
    /// The contents of SeaORM's table.
    applied: Vec<String>,
    pub(crate) entries: BTreeMap<String, Entry>,
}

impl History {
    /// Reads both records in one snapshot, because another process may be applying migrations. Reads only.
    pub(crate) async fn read(connection: &mut Connection, list: Arc<[&'static dyn Migration]>) -> Result<Self> {
        let failed = Error::doing("reading the migration records");
        let begin = match connection.engine() {
            Engine::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Engine::Sqlite => "BEGIN",
        };
        connection.execute(begin).await.map_err(&failed)?;
        let read = Self::read_both(connection, list).await;
        let ended = connection.execute("ROLLBACK").await;
        let history = read?;
        ended.map_err(failed)?;
        Ok(history)
    }

    async fn read_both(connection: &mut Connection, list: Arc<[&'static dyn Migration]>) -> Result<Self> {
        let applied = record::applied(connection).await?;
        let entries = journal::entries(connection).await?;
        Ok(Self { engine: connection.engine(), list, applied, entries })
    }

    /// Returns whether neither table has a record.
    pub(crate) fn is_empty(&self) -> bool {
        self.applied.is_empty() && self.entries.is_empty()
    }

    /// Returns the states of this version's migrations in order, then of the unknown ones.
    pub(crate) fn states(&self) -> Vec<MigrationStatus> {
        let known = self.list.iter().map(|migration| self.state_of(*migration));
        let unknown =
            self.unknown().filter(|name| self.new_name(name).is_none()).map(|name| self.state_of_unknown(name));
        known.chain(unknown).collect()
    }

    /// Returns the migrations that a deploy would apply.
    pub(crate) fn pending(&self) -> Vec<&'static dyn Migration> {
        let open = |migration: &&dyn Migration| {
            let half_gone = self.entries.get(migration.name()).is_some_and(Entry::is_half_gone);
            half_gone || !self.is_applied(migration.name())
        };
        self.list.iter().copied().filter(open).collect()
    }

    /// Returns applied migrations without an entry, as in a database that an earlier version migrated.
    pub(crate) fn without_entry(&self) -> Vec<&'static dyn Migration> {
        let known = self.list.iter().copied().filter(|migration| self.is_applied(migration.name()));
        known.filter(|migration| !self.entries.contains_key(migration.name())).collect()
    }

    /// Fails if the recorded history differs from this version's.
    pub(crate) fn refuse_altered(&self) -> Result<()> {
        for status in self.states() {
            let (migration, detail) = (status.name, status.detail.unwrap_or_default());
            return Err(match status.state {
                MigrationState::Edited => Refusal::Edited { migration, detail },
                MigrationState::Missing => Refusal::Missing { migration, detail },
                MigrationState::Inserted => Refusal::Inserted { migration, detail },
                MigrationState::Renamed => Refusal::Renamed { migration, detail },
                MigrationState::InDoubt => self.in_doubt(migration),
                _ => continue,
            }
            .into());
        }
        Ok(())
    }

    pub(crate) fn is_applied(&self, name: &str) -> bool {
        self.applied.iter().any(|applied| applied == name)
    }

    pub(crate) fn knows(&self, name: &str) -> Option<&'static dyn Migration> {
        self.list.iter().copied().find(|migration| migration.name() == name)
    }

    /// Returns this version's name of a migration that is applied under `old`.
    pub(crate) fn new_name(&self, old: &str) -> Option<&'static str> {
        let entry = self.entries.get(old).filter(|_| self.knows(old).is_none())?;
        let free = self.list.iter().filter(|migration| !self.is_applied(migration.name()));
        let mut same = free.filter(|migration| checksum(**migration, self.engine) == entry.checksum);
        // Migrations without steps on this engine all have the same checksum.
        same.find(|migration| !migration.up(self.engine).is_empty()).map(|migration| migration.name())
    }

    fn in_doubt(&self, migration: String) -> Refusal {
        let entry = self.entries.get(&migration);
        let step = entry.map(|entry| entry.step).unwrap_or_default();
        let statement = entry.and_then(|entry| entry.in_doubt.clone()).unwrap_or_default();
        Refusal::InDoubt { migration, step, statement }
    }

    fn state_of(&self, migration: &'static dyn Migration) -> MigrationStatus {
        let name = migration.name();
        let (state, detail) = match self.entries.get(name) {
            Some(entry) => self.state_by(migration, entry),
            None if self.is_applied(name) => self.state_without_entry(name),
            None => self.state_of_new(name),
        };
        MigrationStatus { name: name.to_owned(), state, detail }
    }

    fn state_by(&self, migration: &'static dyn Migration, entry: &Entry) -> (MigrationState, Option<String>) {
        let edited = entry.checksum != checksum(migration, self.engine);
        if let Some(statement) = &entry.in_doubt {
            return (MigrationState::InDoubt, Some(format!("step {}: {statement}", entry.step)));
        }
        if !entry.is_applied() || entry.is_half_gone() {
            let once = migration.up(self.engine).iter().any(|step| !step.is_repeatable());
            if (edited || entry.is_half_gone()) && once && entry.step > 1 {
                return (
                    MigrationState::Edited,
                    Some("it was begun, and contains a step that must not run twice".into()),
                );
            }
            return (MigrationState::Failed, Some(unfinished(entry)));
        }
        if !self.is_applied(&entry.name) {
            return (MigrationState::Missing, Some("it is in our record but not in SeaORM's table".into()));
        }
        if edited {
            return (MigrationState::Edited, Some("its steps are not those that were applied".into()));
        }
        if !self.is_linked(entry) {
            return (MigrationState::Edited, Some("its record, or an earlier one, was altered".into()));
        }
        (MigrationState::Applied, None)
    }

    /// Trusts a migration without an entry on first use, but not if a later one has an entry.
    fn state_without_entry(&self, name: &str) -> (MigrationState, Option<String>) {
        let later = |entry: &Entry| entry.is_applied() && entry.name.as_str() > name && same_line(&entry.name, name);
        if self.entries.values().any(later) {
            return (MigrationState::Edited, Some("its record was removed".into()));
        }
        (MigrationState::Applied, None)
    }

    fn state_of_new(&self, name: &str) -> (MigrationState, Option<String>) {
        if let Some(old) = self.unknown().find(|old| self.new_name(old) == Some(name)) {
            return (MigrationState::Renamed, Some(old.clone()));
        }
        let line = self.list.iter().rev().map(|migration| migration.name()).filter(|other| same_line(other, name));
        let applied = line.into_iter().find(|other| self.is_applied(other));
        match applied.filter(|last| *last > name) {
            Some(last) => (MigrationState::Inserted, Some(last.to_owned())),
            None => (MigrationState::Pending, None),
        }
    }

    fn state_of_unknown(&self, name: &str) -> MigrationStatus {
        let mut line = self.list.iter().rev().map(|migration| migration.name()).filter(|other| same_line(other, name));
        let last = line.next().unwrap_or_default();
        let ours = self.entries.contains_key(name);
        let state = if ours && name < last { MigrationState::Missing } else { MigrationState::Unknown };
        let detail = (state == MigrationState::Missing).then(|| "this version does not have it".to_owned());
        MigrationStatus { name: name.to_owned(), state, detail }
    }

    fn unknown(&self) -> impl Iterator<Item = &String> {
        self.applied.iter().filter(|name| self.knows(name).is_none())
    }

    fn is_linked(&self, entry: &Entry) -> bool {
        let previous = journal::link_before(&self.entries, &entry.name);
        entry.chain.as_deref() == Some(&chain(&previous, &entry.name, &entry.checksum))
    }

    /// Returns the step of `steps` to continue at, from zero: where the same migration was interrupted in the same
    /// direction.
    pub(crate) fn resume_at(entry: Option<&Entry>, checksum: &str, direction: &str, steps: &[Step]) -> usize {
        let same = entry.filter(|entry| {
            let open = entry.is_half_gone() || !entry.is_applied();
            open && entry.direction == direction && entry.checksum == checksum
        });
        same.map_or(0, |entry| entry.step.saturating_sub(1).min(steps.len()))
    }
}

fn unfinished(entry: &Entry) -> String {
    let doing = if entry.is_half_gone() { "reverted" } else { "applied" };
    let reason = entry.error.as_deref().unwrap_or("interrupted");
    format!("being {doing}, step {}: {reason}", entry.step)
}
