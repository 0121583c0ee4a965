//! Makes the audit log and its seals append-only. The triggers apply to the table owner as well.
//!
//! Functions that only the platform role may call make two exceptions. They remove a sealed batch as a whole, and they
//! erase a record's personal part, whose commitment stays. They identify themselves to the triggers by a setting (on
//! SQLite, in a table). A signed checkpoint declares what may be removed. The owner and a superuser can do the same, or
//! drop the triggers; the seals detect that.

use crate::migrations::Migration;
use crate::step::{Engine, Step, statements};

/// The functions for refusal, removal and erasure, then the rest, in this order.
pub(crate) const POSTGRES: &str = include_str!("m20261124_000013_protect_audit_log/postgres.sql");
const SQLITE: &str = include_str!("m20261124_000013_protect_audit_log/sqlite.sql");

/// The append-only tables.
const TABLES: [&str; 4] = ["AuditLog", "rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf"];

pub(crate) struct ProtectAuditLog;

impl Migration for ProtectAuditLog {
    fn name(&self) -> &'static str {
        "m20261124_000013_protect_audit_log"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        if engine == Engine::Sqlite {
            return statements(SQLITE);
        }
        let mut steps = statements(POSTGRES);
        for table in TABLES {
            let trigger = |name: &str, when: &str| {
                Step::sql(format!(
                    "CREATE OR REPLACE TRIGGER \"{table}_{name}\" BEFORE {when} EXECUTE FUNCTION public.rylie_audit_append_only()",
                ))
            };
            steps.push(trigger("append_only", &format!("UPDATE OR DELETE ON \"{table}\" FOR EACH ROW")));
            steps.push(trigger("no_truncate", &format!("TRUNCATE ON \"{table}\" FOR EACH STATEMENT")));
        }
        steps
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let mut steps = Vec::new();
        for table in TABLES {
            let on = if engine == Engine::Postgres { format!(" ON \"{table}\"") } else { String::new() };
            let names: &[&str] = if engine == Engine::Postgres {
                &["append_only", "no_truncate"]
            } else {
                &["no_update", "no_delete", "no_replace"]
            };
            for name in names {
                steps.push(Step::sql(format!("DROP TRIGGER IF EXISTS \"{table}_{name}\"{on}")));
            }
        }
        steps.extend(match engine {
            Engine::Postgres => vec![
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_append_only()"),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_remove_batch(bigint, timestamp)"),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_erase(text, text, bytea)"),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_logging()"),
            ],
            Engine::Sqlite => vec![Step::sql("DROP TABLE rylie_audit_keeper")],
        });
        steps
    }
}
