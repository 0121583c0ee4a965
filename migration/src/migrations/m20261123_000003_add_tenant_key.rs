//! The tenant key: the column `"tenantId"` on every tenant-owned table (ARCHITECTURE.md, "The tenant key").
//!
//! A *root* derives the key from its own columns. A *child* takes its parent's key, and a composite foreign key
//! enforces it. An *event* (the audit log) keeps the key by value.

mod postgres;
mod sqlite;

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// A table that derives the key from its own columns.
struct Root {
    table: &'static str,
    /// The formula of the key, over the columns of `$row`.
    formula: &'static str,
    /// The unique index that the children's foreign keys refer to.
    target: Option<&'static str>,
}

impl Root {
    /// Returns the formula for a row: `NEW.`, or empty for the table's own columns.
    fn formula(&self, row: &str) -> String {
        self.formula.replace("$row.", row)
    }
}

/// A table that takes its parent's key.
struct Child {
    table: &'static str,
    parent: &'static str,
    /// The column that refers to the parent.
    column: &'static str,
}

impl Child {
    fn foreign_key(&self) -> String {
        let Self { table, column, .. } = self;
        format!("{table}_{column}_tenantId_fkey")
    }

    fn reference(&self) -> String {
        let Self { parent, column, .. } = self;
        format!(
            "FOREIGN KEY (\"{column}\", \"tenantId\") REFERENCES \"{parent}\"(id, \"tenantId\") \
             ON UPDATE CASCADE ON DELETE CASCADE"
        )
    }
}

const ROOTS: [Root; 3] = [
    Root { table: "Agency", formula: "$row.id", target: None },
    Root {
        table: "User",
        formula: "coalesce($row.\"agencyId\", 'user:' || $row.id)",
        target: Some("User_id_tenantId_key"),
    },
    Root {
        table: "Request",
        formula: "coalesce($row.\"agencyId\", 'user:' || $row.\"userId\")",
        target: Some("Request_id_tenantId_key"),
    },
];

const CHILDREN: [Child; 8] = [
    Child { table: "Task", parent: "Request", column: "requestId" },
    Child { table: "SEOWorksTaskMapping", parent: "Request", column: "requestId" },
    Child { table: "Account", parent: "User", column: "userId" },
    Child { table: "Session", parent: "User", column: "userId" },
    Child { table: "UserPreferences", parent: "User", column: "userId" },
    Child { table: "GA4Connection", parent: "User", column: "userId" },
    Child { table: "SearchConsoleConnection", parent: "User", column: "userId" },
    Child { table: "MonthlyUsage", parent: "User", column: "userId" },
];

pub(crate) struct AddTenantKey;

impl Migration for AddTenantKey {
    fn name(&self) -> &'static str {
        "m20261123_000003_add_tenant_key"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => postgres::up(),
            Engine::Sqlite => sqlite::up(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => postgres::down(),
            Engine::Sqlite => sqlite::down(),
        }
    }
}

/// SQLite drops a table's triggers with the table, so a rebuild of the audit log must create this one again.
pub(crate) use sqlite::AUDIT_LOG_TRIGGER;
