//! The events by which usage was counted: a webhook that is delivered twice counts once.
//!
//! Only our own code writes this table, so no trigger fills in the tenant. The composite foreign key ties it to the
//! user's tenant, and follows when the user moves.

use crate::migrations::Migration;
use crate::migrations::tenant_table::protect;
use crate::step::{Engine, Step};

const COLUMNS: &str = "\"countedAt\" $time NOT NULL, \"tenantId\" $text NOT NULL, \
     CONSTRAINT \"UsageEvent_pkey\" PRIMARY KEY (id), \
     CONSTRAINT \"UsageEvent_userId_tenantId_fkey\" FOREIGN KEY (\"userId\", \"tenantId\") REFERENCES \"User\"(id, \"tenantId\") \
     ON UPDATE CASCADE ON DELETE CASCADE";

/// The platform never updates an event, but locking one requires that right.
const GRANTS: &str = "GRANT SELECT, INSERT, DELETE ON \"UsageEvent\" TO rylie_tenant, rylie_platform; \
     GRANT UPDATE ON \"UsageEvent\" TO rylie_platform;";

pub(crate) struct CreateUsageEvent;

impl Migration for CreateUsageEvent {
    fn name(&self) -> &'static str {
        "m20261124_000017_create_usage_event"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let mut steps = vec![
            create_table(engine),
            Step::unique_index(engine, "UsageEvent_userId_key_key", "\"UsageEvent\" (\"userId\", key)"),
            // Finds a tenant's event by key: the same event may have been counted for a colleague.
            Step::index(engine, "UsageEvent_tenantId_key_idx", "\"UsageEvent\" (\"tenantId\", key)"),
            // Old events are removed by time, across tenants.
            Step::index(engine, "UsageEvent_countedAt_idx", "\"UsageEvent\" (\"countedAt\")"),
        ];
        if engine == Engine::Postgres {
            steps.push(protect("UsageEvent", GRANTS));
        }
        steps
    }

    fn down(&self, _: Engine) -> Vec<Step> {
        vec![Step::sql("DROP TABLE IF EXISTS \"UsageEvent\"")]
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}

fn create_table(engine: Engine) -> Step {
    let (kind, text, time) = match engine {
        Engine::Postgres => ("\"TaskType\" NOT NULL", "text", "timestamp(3)"),
        Engine::Sqlite => {
            ("TEXT NOT NULL CHECK (kind IN ('PAGE', 'BLOG', 'GBP_POST', 'IMPROVEMENT'))", "TEXT", "TIMESTAMP")
        }
    };
    let columns = COLUMNS.replace("$time", time).replace("$text", text);
    Step::sql(format!(
        "CREATE TABLE IF NOT EXISTS \"UsageEvent\" (id {text} NOT NULL, \"userId\" {text} NOT NULL, key {text} NOT NULL, \
         kind {kind}, {columns})"
    ))
}
