//! The tables of the platform's Prisma service, exactly as it left them.

use crate::migrations::Migration;
use crate::step::{Engine, Step, statements};

/// The statements for PostgreSQL.
const POSTGRES: &str = include_str!("m20261123_000001_create_base_tables/postgres.sql");

/// The statements for SQLite.
pub(crate) const SQLITE: &str = include_str!("m20261123_000001_create_base_tables/sqlite.sql");

/// The tables, each after those it refers to.
pub(crate) const TABLES: [&str; 14] = [
    "Agency",
    "User",
    "Account",
    "Session",
    "VerificationToken",
    "UserPreferences",
    "Request",
    "Task",
    "SEOWorksTaskMapping",
    "GA4Connection",
    "SearchConsoleConnection",
    "MonthlyUsage",
    "AuditLog",
    "SystemSettings",
];

const TYPES: [&str; 6] = ["PackageType", "RequestPriority", "RequestStatus", "TaskStatus", "TaskType", "UserRole"];

pub(crate) struct CreateBaseTables;

impl Migration for CreateBaseTables {
    fn name(&self) -> &'static str {
        "m20261123_000001_create_base_tables"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => statements(POSTGRES),
            Engine::Sqlite => statements(SQLITE),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        // Without CASCADE, a foreign table that refers to ours makes this fail, and the error names it.
        let tables = TABLES.iter().rev().map(|table| Step::sql(format!("DROP TABLE \"{table}\"")));
        match engine {
            Engine::Postgres => {
                tables.chain(TYPES.iter().map(|name| Step::sql(format!("DROP TYPE \"{name}\"")))).collect()
            }
            Engine::Sqlite => tables.collect(),
        }
    }

    fn in_transaction(&self, _engine: Engine) -> bool {
        // Everything is new, so no session waits for these locks.
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_make_every_table_of_the_list() {
        for table in TABLES {
            let create = format!("CREATE TABLE \"{table}\" (");
            assert!(POSTGRES.contains(&create) && SQLITE.contains(&create), "{table}");
        }
    }
}
