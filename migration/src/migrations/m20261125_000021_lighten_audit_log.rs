//! Reduces the cost of an audit record on SQLite, where a write touches a page of every index and table. The record is
//! completed by its row instead of its key, and indexes that cost more than they help are dropped.
//!
//! An index on the action or on the kind of resource has about a dozen distinct values in no useful order. A page of
//! the list would therefore sort all matches. The list is read by time, and waiting records by position. PostgreSQL
//! keeps its indexes: its writers do not wait for them at the commit.

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
