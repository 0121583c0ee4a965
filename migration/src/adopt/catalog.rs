//! A schema from PostgreSQL's catalog, in a comparable form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::Result;

const SQL: &str = include_str!("catalog.sql");

/// The schema `public`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Catalog {
    /// The labels of each enum type.
    pub enums: BTreeMap<String, Vec<String>>,
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
    /// Function definitions by name and arguments, without those of extensions.
    pub functions: BTreeMap<String, String>,
    /// Views and materialised views.
    pub views: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Table {
    /// Columns by name.
    pub columns: BTreeMap<String, Column>,
    /// Index definitions by name; an invalid index is labelled.
    pub indexes: BTreeMap<String, String>,
    /// Constraint definitions by name.
    pub constraints: BTreeMap<String, String>,
    /// Trigger definitions by name.
    pub triggers: BTreeMap<String, String>,
    /// Row-level security policies by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, String>,
    /// The grants of the units' roles, by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, String>,
    /// `enabled`, or `forced` if it applies to the owner too; `None` if it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_security: Option<String>,
}

/// A column.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Column {
    /// Its type, as PostgreSQL prints it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is nullable.
    pub nullable: bool,
    /// Its default, as PostgreSQL prints it.
    pub default: Option<String>,
}

impl Catalog {
    /// Reads the schema in one statement. Needs no right but to log in.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self> {
        connection.refuse_sqlite()?;
        connection.document(SQL, "reading the schema").await
    }
}
