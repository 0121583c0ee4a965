//! The description of what a later migration adds to a table of a service.

use crate::new_table::{ColumnKind, Index, NewColumn, NewTable};

/// Columns and indexes for a table of a service that has rows already. A new reference needs a new table: SQLite adds no
/// composite key to an existing one.
#[derive(Clone, Debug)]
#[must_use = "a description changes nothing until its migration is deployed"]
pub struct TableChange {
    pub(crate) table: &'static str,
    pub(crate) columns: Vec<NewColumn>,
    pub(crate) unique: Vec<Vec<&'static str>>,
    pub(crate) indexes: Vec<Vec<&'static str>>,
    pub(crate) relabelled: Vec<Relabelled>,
}

/// A column whose labels change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relabelled {
    pub(crate) column: &'static str,
    pub(crate) before: &'static [&'static str],
    pub(crate) after: &'static [&'static str],
}

impl TableChange {
    /// Describes a change of this table.
    pub fn of(table: &'static str) -> Self {
        Self { table, columns: Vec::new(), unique: Vec::new(), indexes: Vec::new(), relabelled: Vec::new() }
    }

    /// Adds a column that may be null. Existing rows have null.
    pub fn nullable(mut self, name: &'static str, kind: ColumnKind) -> Self {
        self.columns.push(NewColumn { name, kind, nullable: true, default: None });
        self
    }

    /// Adds a column of `boolean`, false in existing rows and in rows that do not name it.
    pub fn flag(mut self, name: &'static str) -> Self {
        self.columns.push(NewColumn { name, kind: ColumnKind::Boolean, nullable: false, default: Some("false") });
        self
    }

    /// Adds a column of `bigint`, zero in existing rows and in rows that do not name it.
    pub fn amount(mut self, name: &'static str) -> Self {
        self.columns.push(NewColumn { name, kind: ColumnKind::BigInteger, nullable: false, default: Some("0") });
        self
    }

    /// Replaces the labels of a column, as when an enumeration gets a variant. `before` are the labels that the earlier
    /// migrations gave it. The deploy fails, and changes nothing, while a row has a label that `after` lacks.
    ///
    /// To add a label, deploy first, then start the services that write it. To remove one, do it the other way round.
    pub fn labels(
        mut self,
        column: &'static str,
        before: &'static [&'static str],
        after: &'static [&'static str],
    ) -> Self {
        self.relabelled.push(Relabelled { column, before, after });
        self
    }

    /// Makes these columns unique within the tenant. The deploy fails while rows have equal values.
    pub fn unique(mut self, columns: &[&'static str]) -> Self {
        self.unique.push(columns.to_vec());
        self
    }

    /// Adds an index: the tenant, then these columns. PostgreSQL builds it while others write.
    pub fn index(mut self, columns: &[&'static str]) -> Self {
        self.indexes.push(columns.to_vec());
        self
    }

    /// Adds the change to the description of its table.
    pub(crate) fn extend(&self, table: &mut NewTable) {
        table.columns.extend(self.columns.iter().cloned());
        table.unique.extend(self.unique.iter().cloned());
        table.indexes.extend(self.indexes.iter().cloned());
        for new in &self.relabelled {
            if let Some(column) = table.columns.iter_mut().find(|column| column.name == new.column) {
                column.kind = ColumnKind::Labels(new.after);
            }
        }
    }

    /// Returns the indexes that the change adds.
    pub(crate) fn added_indexes(&self) -> Vec<Index> {
        let bare = NewTable::new(self.table);
        let before: Vec<_> = bare.all_indexes().into_iter().map(|index| index.name).collect();
        let mut after = bare;
        self.extend(&mut after);
        after.all_indexes().into_iter().filter(|index| !before.contains(&index.name)).collect()
    }
}
