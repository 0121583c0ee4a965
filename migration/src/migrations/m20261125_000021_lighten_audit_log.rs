//! What a record of the audit log costs its writer on SQLite, where every index and every table of it is a page to be written:
//! the record is completed by its row and not by its key, and indexes go that cost more than they find.
//!
//! An index on the action or on the kind of resource has some dozen different values, and gives them in no order: a page of the
//! list would sort all that it finds. The list is walked by time. What waits is found by its position. PostgreSQL keeps its indexes: its writers
//! do not wait for them as they commit.

use crate::migrations::Migration;
use crate::migrations::m20261124_000011_add_audit_columns::COMPLETE;
use crate::step::{Engine, Step, statements};

const SQLITE: &str = include_str!("m20261125_000021_lighten_audit_log/sqlite.sql");
const BEFORE: &str = include_str!("m20261125_000021_lighten_audit_log/before.sql");

pub(crate) struct LightenAuditLog;

impl Migration for LightenAuditLog {
    fn name(&self) -> &'static str {
        "m20261125_000021_lighten_audit_log"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => Vec::new(),
            Engine::Sqlite => statements(SQLITE),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => Vec::new(),
            Engine::Sqlite => {
                let mut steps = statements(BEFORE);
                steps.push(Step::sql(COMPLETE));
                steps
            }
        }
    }
}
