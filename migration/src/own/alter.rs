//! The migration that adds columns and indexes to a table of a service, and replaces labels.

use super::create_table::labels;
use super::{postgres, relabel, sqlite};
use crate::migrations::Migration;
use crate::new_table::Index;
use crate::step::{Engine, Step};
use crate::table_change::TableChange;

/// A migration that adds columns and indexes to an own table, or replaces labels, as a constant:
///
/// ```
/// use rylie_migration::{AlterTable, ColumnKind, TableChange};
///
/// const ADD_DUE: AlterTable = AlterTable::new("own_m20270101_000002_add_due_to_comment", || {
///     TableChange::of("Comment").nullable("due", ColumnKind::Timestamp).index(&["due"])
/// });
/// ```
///
/// No step rewrites the table or holds a lock for longer than a statement of the catalog. `drift` expects the table as
/// all its migrations make it.
#[derive(Clone, Copy, Debug)]
pub struct AlterTable {
    name: &'static str,
    change: fn() -> TableChange,
}

impl AlterTable {
    /// Describes the migration `name`, which begins with `own_m`, a date and a number.
    #[must_use]
    pub const fn new(name: &'static str, change: fn() -> TableChange) -> Self {
        Self { name, change }
    }
}

impl Migration for AlterTable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let change = (self.change)();
        let mut steps = columns(&change, engine);
        for new in &change.relabelled {
            steps.extend(relabel::steps(change.table, new.column, new.before, new.after, engine));
        }
        steps.extend(change.added_indexes().into_iter().map(|index| create_index(change.table, index, engine)));
        steps
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let change = (self.change)();
        let indexes = change.added_indexes().into_iter().rev().map(|index| Step::drop_index(engine, &index.name));
        let exists = if engine == Engine::Postgres { "IF EXISTS " } else { "" };
        let columns = change.columns.iter().rev();
        let columns =
            columns.map(|column| format!("ALTER TABLE \"{}\" DROP COLUMN {exists}\"{}\"", change.table, column.name));
        let labels = change.relabelled.iter().rev();
        let labels = labels.flat_map(|new| relabel::steps(change.table, new.column, new.after, new.before, engine));
        indexes.chain(labels).chain(columns.map(Step::sql)).collect()
    }

    fn own_change(&self) -> Option<TableChange> {
        Some((self.change)())
    }
}

fn columns(change: &TableChange, engine: Engine) -> Vec<Step> {
    let table = change.table;
    let mut steps = Vec::new();
    for column in &change.columns {
        let null = if column.nullable { "" } else { " NOT NULL" };
        let default = column.default.map(|value| format!(" DEFAULT {value}")).unwrap_or_default();
        let (name, check) = (column.name, labels(table, column));
        match engine {
            Engine::Postgres => {
                let kind = postgres::kind(column.kind);
                let sql = format!("ALTER TABLE \"{table}\" ADD COLUMN IF NOT EXISTS \"{name}\" {kind}{null}{default}");
                steps.push(Step::sql(sql));
                if let Some(check) = check {
                    let constraint = format!("{table}_{name}_check");
                    let add = format!(
                        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = '{constraint}' \
                         AND conrelid = to_regclass('public.\"{table}\"')) \
                         THEN ALTER TABLE \"{table}\" ADD {check} NOT VALID; END IF; END $$"
                    );
                    // Separate: it reads all rows, and lets others write.
                    let validate = format!("ALTER TABLE \"{table}\" VALIDATE CONSTRAINT \"{constraint}\"");
                    steps.extend([Step::sql(add), Step::sql(validate)]);
                }
            }
            Engine::Sqlite => {
                let (kind, check) = (sqlite::kind(column.kind), check.map(|check| format!(" {check}")));
                let check = check.unwrap_or_default();
                steps.push(Step::sql(format!(
                    "ALTER TABLE \"{table}\" ADD COLUMN \"{name}\" {kind}{null}{default}{check}"
                )));
            }
        }
    }
    steps
}

fn create_index(table: &str, index: Index, engine: Engine) -> Step {
    let on = format!("\"{table}\" {}", index.on());
    let unique = if index.unique { "UNIQUE " } else { "" };
    let name = index.name;
    match engine {
        Engine::Postgres => {
            let sql = format!("CREATE {unique}INDEX CONCURRENTLY IF NOT EXISTS \"{name}\" ON {on}").into();
            Step::ConcurrentIndex { name: name.into(), sql }
        }
        Engine::Sqlite => Step::sql(format!("CREATE {unique}INDEX IF NOT EXISTS \"{name}\" ON {on}")),
    }
}
