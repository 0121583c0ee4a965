//! A service's own tables: their entities and migrations, as one value.

use std::any::TypeId;
use std::fmt;

use rylie_entities::{OwnTable, RequestId, TaskId, UserId};
use rylie_migration::{Engine, Migration, NewTable};
use rylie_repositories::{OwnSchema, OwnTableInfo};

use crate::error::{Error, Result};

/// A service's own tables. Give it to the configuration once, and everything of this library includes them: migrations,
/// units, export, erasure, keys, purge, sizes and drift.
///
/// ```no_run
/// # use rylie_db::{Config, Database, Result, own::{OwnTable, Schema, CreateTable}};
/// # async fn example<Comment: OwnTable>(create_comment: &'static CreateTable) -> Result<()> {
/// let schema = Schema::new().table::<Comment>(create_comment);
/// let database = Database::connect(Config::load()?.with(schema)?).await?;
/// database.migrate().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "give it to `Config::with`"]
pub struct Schema {
    tables: OwnSchema,
    migrations: Vec<&'static dyn Migration>,
    /// The first table that was refused, and why.
    refused: Option<(&'static str, String)>,
}

impl Schema {
    /// Returns a schema without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entity and the migration that creates its table, after those that it refers to.
    pub fn table<E: OwnTable>(mut self, created_by: &'static dyn Migration) -> Self {
        if let Err(error) = self.tables.add::<E>() {
            self.refused = self.refused.or(Some((E::TABLE, error.to_string())));
        }
        if created_by.own_table().is_some_and(|table| table.name() != E::TABLE) {
            let reason = format!("{} creates another table", created_by.name());
            self.refused = self.refused.or(Some((E::TABLE, reason)));
        }
        self.migration(created_by)
    }

    /// Adds a later migration. Migrations run in the order of their names.
    pub fn migration(mut self, migration: &'static dyn Migration) -> Self {
        self.migrations.push(migration);
        self
    }

    /// Returns the tables.
    #[must_use]
    pub fn tables(&self) -> &[OwnTableInfo] {
        self.tables.tables()
    }

    /// Returns all migrations as one SQL file for an empty database, the platform's and the service's.
    #[must_use]
    pub fn squash(&self, engine: Engine) -> String {
        let mut own = self.migrations.clone();
        own.sort_by_key(|migration| migration.name());
        rylie_migration::squash_with(engine, &own)
    }

    pub(crate) fn own(&self) -> &OwnSchema {
        &self.tables
    }

    /// Returns the columns with secrets, as table and column.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        let of_tables = self.tables().iter().flat_map(|table| &table.secrets);
        of_tables.map(|column| (column.table(), column.column())).collect()
    }

    /// Returns the table whose ids have this type: one of the platform's to which own tables refer, or the only own table
    /// with it.
    #[must_use]
    pub fn table_of_id(&self, id: TypeId) -> Option<&'static str> {
        let platform = [
            ("Request", TypeId::of::<RequestId>()),
            ("Task", TypeId::of::<TaskId>()),
            ("User", TypeId::of::<UserId>()),
        ];
        if let Some((name, _)) = platform.iter().find(|(_, known)| *known == id) {
            return Some(name);
        }
        let mut found = self.tables().iter().filter(|table| table.id_type == id).map(|table| table.name);
        match (found.next(), found.next()) {
            (Some(table), None) => Some(table),
            _ => None,
        }
    }

    /// Returns a table as the service's migrations describe it; `None` if none does.
    #[must_use]
    pub fn described(&self, table: &str) -> Option<NewTable> {
        rylie_migration::own_table(&self.migrations, table)
    }

    pub(crate) fn migrations(&self) -> &[&'static dyn Migration] {
        &self.migrations
    }

    /// Fails for a table or a migration that cannot be used. Sorts the migrations.
    pub(crate) fn checked(mut self) -> Result<Self> {
        let wrong = |setting: &str, reason: String| Error::Config { setting: format!("schema: {setting}"), reason };
        if let Some((table, reason)) = self.refused.take() {
            return Err(wrong(table, reason));
        }
        self.migrations.sort_by_key(|migration| migration.name());
        let names: Vec<_> = self.migrations.iter().map(|migration| migration.name()).collect();
        if let Some(name) = names.iter().find(|name| !is_name(name)) {
            let rule =
                "the name must be own_m, a date, a number and words, such as own_m20261201_000001_create_comment";
            return Err(wrong(name, rule.to_owned()));
        }
        if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
            return Err(wrong(twice[0], "two migrations have this name".to_owned()));
        }
        if let Some((name, reason)) = rylie_migration::own_problem(&self.migrations) {
            return Err(wrong(name, reason));
        }
        Ok(self)
    }
}

/// Returns whether a migration's name has the form of a service's: it becomes part of SQL.
fn is_name(name: &str) -> bool {
    let rest = name.strip_prefix("own_m").unwrap_or_default();
    let word = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
    name.len() <= 100 && rest.starts_with(|first: char| first.is_ascii_digit()) && rest.chars().all(word)
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<_> = self.tables().iter().map(|table| table.name).collect();
        let migrations: Vec<_> = self.migrations.iter().map(|migration| migration.name()).collect();
        f.debug_struct("Schema").field("tables", &tables).field("migrations", &migrations).finish_non_exhaustive()
    }
}
