//! Soft deletion of requests and tasks.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const TABLES: [&str; 2] = ["Request", "Task"];

pub(crate) struct AddSoftDelete;

impl Migration for AddSoftDelete {
    fn name(&self) -> &'static str {
        "m20261123_000004_add_soft_delete"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        // PostgreSQL stores a constant default in the catalog, so no row is rewritten.
        TABLES
            .iter()
            .flat_map(|table| match engine {
                Engine::Postgres => vec![Step::sql(format!(
                    "ALTER TABLE \"{table}\" ADD COLUMN IF NOT EXISTS deleted boolean NOT NULL DEFAULT false, \
                     ADD COLUMN IF NOT EXISTS \"deletedAt\" timestamp(3)"
                ))],
                Engine::Sqlite => vec![
                    Step::sql(format!("ALTER TABLE \"{table}\" ADD COLUMN deleted BOOLEAN DEFAULT FALSE NOT NULL")),
                    Step::sql(format!("ALTER TABLE \"{table}\" ADD COLUMN \"deletedAt\" TIMESTAMP")),
                ],
            })
            .collect()
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        TABLES
            .iter()
            .flat_map(|table| match engine {
                Engine::Postgres => vec![Step::sql(format!(
                    "ALTER TABLE \"{table}\" DROP COLUMN IF EXISTS \"deletedAt\", DROP COLUMN IF EXISTS deleted"
                ))],
                Engine::Sqlite => vec![
                    Step::sql(format!("ALTER TABLE \"{table}\" DROP COLUMN \"deletedAt\"")),
                    Step::sql(format!("ALTER TABLE \"{table}\" DROP COLUMN deleted")),
                ],
            })
            .collect()
    }
}
