//! A schema in every part that migrations make, in a form that can be compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::{Refusal, Result};
use crate::step::Engine;

const SQL: &str = include_str!("snapshot.sql");

/// What all migrations make; a test makes it anew and compares.
const EXPECTED: &str = include_str!("expected.json");

/// Definitions by name.
pub(crate) type Definitions = BTreeMap<String, String>;

/// The schema `public`, in PostgreSQL's own words, without what differs from server to server.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snapshot {
    pub(crate) enums: BTreeMap<String, Vec<String>>,
    pub(crate) tables: BTreeMap<String, Table>,
    /// By name and arguments.
    pub(crate) functions: BTreeMap<String, Function>,
    pub(crate) views: Definitions,
    pub(crate) sequences: Definitions,
    /// Attributes of the doors' roles.
    pub(crate) roles: Definitions,
    /// What the doors' roles may do with the schema.
    pub(crate) schema_grants: Definitions,
}

#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Table {
    pub(crate) unlogged: bool,
    pub(crate) columns: BTreeMap<String, Column>,
    /// One that is not valid says so.
    pub(crate) indexes: Definitions,
    /// One that is not validated says so.
    pub(crate) constraints: Definitions,
    pub(crate) triggers: BTreeMap<String, Trigger>,
    /// Whether the triggers that check foreign keys are switched off.
    pub(crate) foreign_keys_off: bool,
    pub(crate) policies: Definitions,
    pub(crate) rules: Definitions,
    /// Rights by role: the doors' and `PUBLIC`.
    pub(crate) grants: Definitions,
    /// `off`, `enabled`, or `forced` where it binds the owner too.
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
    /// Whether `PUBLIC` may execute it, as is PostgreSQL's default.
    pub(crate) for_everybody: bool,
}

impl Snapshot {
    /// What all migrations make of an empty database.
    #[must_use]
    pub fn expected() -> Self {
        // The file is part of this program and read by a test: nothing to fail on.
        serde_json::from_str(EXPECTED).unwrap_or_default()
    }

    /// Reads it in one statement. Takes no right beyond logging in.
    pub(crate) async fn read(connection: &mut Connection) -> Result<Self> {
        if connection.engine() == Engine::Sqlite {
            return Err(Refusal::NotPostgres.into());
        }
        connection.document(SQL, "reading the schema").await
    }
}
