//! A schema as PostgreSQL's catalog has it, in a form that can be compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::{Refusal, Result};
use crate::step::Engine;

const SQL: &str = include_str!("catalog.sql");

/// The schema `public`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Catalog {
    /// Labels by enum type.
    pub enums: BTreeMap<String, Vec<String>>,
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
    /// Definitions of functions by name and arguments; those of extensions left out.
    pub functions: BTreeMap<String, String>,
    /// Views and materialised views.
    pub views: Vec<String>,
}

/// A table.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Table {
    /// Columns by name.
    pub columns: BTreeMap<String, Column>,
    /// Definitions of indexes by name; one that is not valid says so.
    pub indexes: BTreeMap<String, String>,
    /// Definitions of constraints by name.
    pub constraints: BTreeMap<String, String>,
    /// Definitions of triggers by name.
    pub triggers: BTreeMap<String, String>,
    /// Policies of row-level security by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, String>,
    /// What the roles of our doors may do, by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, String>,
    /// `enabled`, or `forced` where it binds the owner too; `None` where it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_security: Option<String>,
}

/// A column.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Column {
    /// Its type, as PostgreSQL writes it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its default, as PostgreSQL writes it.
    pub default: Option<String>,
}

impl Catalog {
    /// Reads it in one statement. Takes no right beyond logging in.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self> {
        if connection.engine() == Engine::Sqlite {
            return Err(Refusal::NotPostgres.into());
        }
        connection.document(SQL, "reading the schema").await
    }
}
