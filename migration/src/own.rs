//! The tables of a service, next to the platform's: one history, the same protection.
//!
//! Names of a service's migrations begin with `own_`. Later versions of this library can therefore add theirs. Each of
//! the two lines has a separate order and a separate chain of checksums.

mod alter;
mod check;
mod create_table;
pub(crate) mod postgres;
mod relabel;
mod sqlite;

pub use alter::AlterTable;
pub use check::own_problem;

use crate::adopt::{Catalog, Column, Table};
use crate::migrations::Migration;
use crate::new_table::{ColumnKind, NewTable};
use crate::step::{Engine, Step};

/// The prefix of the names of a service's migrations.
pub(crate) const PREFIX: &str = "own_";

/// Returns whether a migration is a service's own.
pub(crate) fn is_own(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Returns whether two migrations are of the same line: the platform's, or the service's.
pub(crate) fn same_line(name: &str, other: &str) -> bool {
    is_own(name) == is_own(other)
}

/// A migration that creates one table of a service, as a constant:
///
/// ```
/// use rylie_migration::{ColumnKind, CreateTable, NewTable};
///
/// const CREATE_COMMENT: CreateTable = CreateTable::new("own_m20261201_000001_create_comment", || {
///     NewTable::new("Comment").belongs_to("requestId", "Request").text("body").times()
/// });
/// ```
///
/// On PostgreSQL the table gets its policies, forced also for the owner, and the grants of the units' roles. A deploy
/// restores what is missing of them. A released migration is never edited: its checksum is recorded.
#[derive(Clone, Copy, Debug)]
pub struct CreateTable {
    name: &'static str,
    table: fn() -> NewTable,
}

impl CreateTable {
    /// Describes the migration `name`, which begins with `own_m`, a date and a number.
    #[must_use]
    pub const fn new(name: &'static str, table: fn() -> NewTable) -> Self {
        Self { name, table }
    }
}

impl Migration for CreateTable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => postgres::steps(&(self.table)()),
            Engine::Sqlite => sqlite::steps(&(self.table)()),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let table = (self.table)();
        let mut steps = vec![Step::sql(format!("DROP TABLE IF EXISTS \"{}\"", table.name))];
        if engine == Engine::Postgres {
            let reader = format!("DROP FUNCTION IF EXISTS public.{}(text, text[])", table.reader());
            steps.insert(0, Step::sql(reader));
            let checks = table.users().map(|user| format!("DROP FUNCTION IF EXISTS public.{}()", table.visible(user)));
            steps.extend(checks.map(Step::sql));
        }
        steps
    }

    fn builds_row_security(&self) -> bool {
        true
    }

    fn own_table(&self) -> Option<NewTable> {
        Some((self.table)())
    }
}

/// Returns the tables that a service's migrations describe, with their columns only: to compare them with its entities.
#[must_use]
pub fn own_catalog(own: &[&'static dyn Migration]) -> Catalog {
    let text = || Column { kind: postgres::kind(ColumnKind::Text).to_owned(), ..Column::default() };
    let described = tables(own).into_iter().map(|table| {
        let columns = table.columns.iter().map(|column| {
            let (kind, nullable) = (postgres::kind(column.kind).to_owned(), column.nullable);
            (column.name.to_owned(), Column { kind, nullable, default: None })
        });
        let keys = [("id".to_owned(), text()), ("tenantId".to_owned(), text())];
        (table.name.to_owned(), Table { columns: columns.chain(keys).collect(), ..Table::default() })
    });
    Catalog { tables: described.collect(), ..Catalog::default() }
}

/// Returns a table of a service as its migrations describe it; `None` if none does.
#[must_use]
pub fn own_table(own: &[&'static dyn Migration], name: &str) -> Option<NewTable> {
    tables(own).into_iter().find(|table| table.name == name)
}

/// Returns the names of the indexes that a service's migrations describe.
#[must_use]
pub fn own_index_names(own: &[&'static dyn Migration]) -> Vec<String> {
    tables(own).iter().flat_map(NewTable::all_indexes).map(|index| index.name).collect()
}

/// Returns the tables of a service as all these migrations make them.
pub(crate) fn tables(list: &[&'static dyn Migration]) -> Vec<NewTable> {
    let mut tables: Vec<NewTable> = list.iter().filter_map(|migration| migration.own_table()).collect();
    for change in list.iter().filter_map(|migration| migration.own_change()) {
        if let Some(table) = tables.iter_mut().find(|table| table.name == change.table) {
            change.extend(table);
        }
    }
    tables
}
