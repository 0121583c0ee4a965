//! A schema with everything that migrations create, in a comparable form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::Result;

const SQL: &str = include_str!("snapshot.sql");

/// The schema after all migrations. A test regenerates and compares it.
const EXPECTED: &str = include_str!("expected.json");

/// Definitions by name.
pub(crate) type Definitions = BTreeMap<String, String>;

/// The schema `public` as PostgreSQL prints it, without what differs between servers.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snapshot {
    pub(crate) enums: BTreeMap<String, Vec<String>>,
    pub(crate) tables: BTreeMap<String, Table>,
    /// By name and arguments.
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) views: Definitions,
    pub(crate) sequences: Definitions,
    /// The attributes of the units' roles.
    pub(crate) roles: Definitions,
    /// The rights of the units' roles on the schema.
    pub(crate) schema_grants: Definitions,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Table {
    pub(crate) unlogged: bool,
    pub(crate) columns: BTreeMap<String, Column>,
    /// An invalid index is labelled.
    pub(crate) indexes: Definitions,
    /// A constraint that is not validated is labelled.
    pub(crate) constraints: Definitions,
    pub(crate) triggers: BTreeMap<String, Trigger>,
    /// Whether the triggers that check foreign keys are disabled.
    pub(crate) foreign_keys_off: bool,
    pub(crate) policies: Definitions,
    pub(crate) rules: Definitions,
    /// Rights by role: the units' roles and `PUBLIC`.
    pub(crate) grants: Definitions,
    /// `off`, `enabled`, or `forced` if it applies to the owner too.
    pub(crate) row_security: String,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Column {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) nullable: bool,
    pub(crate) default: Option<String>,
    /// Identity, or a generated value.
    pub(crate) generated: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Trigger {
    pub(crate) definition: String,
    pub(crate) state: String,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Function {
    pub(crate) definition: String,
    /// Whether `PUBLIC` may execute it, which is PostgreSQL's default.
    pub(crate) for_everybody: bool,
}

impl Snapshot {
    /// The schema that all migrations create in an empty database.
    #[must_use]
    pub fn expected() -> Self {
        // Cannot fail: the file is compiled in, and a test parses it.
        serde_json::from_str(EXPECTED).unwrap_or_default()
    }

    /// Returns the names of all indexes.
    pub fn index_names(&self) -> impl Iterator<Item = &str> {
        self.tables.values().flat_map(|table| table.indexes.keys().map(String::as_str))
    }

    /// Returns the names of all functions, without arguments.
    pub fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(|name| name.split('(').next().unwrap_or(name))
    }

    /// Reads the schema in one statement. Needs no right but to log in.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self> {
        connection.refuse_sqlite()?;
        connection.document(SQL, "reading the schema").await
    }
}
