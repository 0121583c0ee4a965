//! Columns of the audit log in addition to Prisma's: position, impersonated user and correlation id.
//!
//! The database assigns the position from a sequence, so that writers do not wait for each other. Positions have gaps,
//! and a later one may commit first. Earlier records have none.

use crate::migrations::Migration;
use crate::migrations::m20261123_000003_add_tenant_key::AUDIT_LOG_TRIGGER;
use crate::step::{Engine, Step};

const COLUMNS: [(&str, &str); 3] = [("position", "bigint"), ("onBehalfOf", "text"), ("correlationId", "text")];

/// SQLite's trigger fills the position and the tenant in one statement, because a completed record is never changed
/// again.
pub(crate) const COMPLETE: &str = "CREATE TRIGGER \"AuditLog_complete\" AFTER INSERT ON \"AuditLog\" BEGIN \
INSERT INTO rylie_audit_pending (record_id) VALUES (NEW.id); \
UPDATE \"AuditLog\" SET position = (SELECT position FROM rylie_audit_pending WHERE record_id = NEW.id), \
\"tenantId\" = CASE WHEN NEW.\"tenantId\" <> '' THEN NEW.\"tenantId\" \
ELSE coalesce((SELECT \"tenantId\" FROM \"User\" WHERE id = NEW.\"userId\"), 'platform') END WHERE id = NEW.id; END";

pub(crate) struct AddAuditColumns;

impl Migration for AddAuditColumns {
    fn name(&self) -> &'static str {
        "m20261124_000011_add_audit_columns"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                let mut steps: Vec<Step> = COLUMNS
                    .iter()
                    .map(|(name, kind)| {
                        Step::sql(format!("ALTER TABLE \"AuditLog\" ADD COLUMN IF NOT EXISTS \"{name}\" {kind}"))
                    })
                    .collect();
                steps.extend([
                    Step::sql("CREATE SEQUENCE IF NOT EXISTS rylie_audit_position"),
                    // Runs with the owner's right to the sequence for every writer, and overwrites any position that
                    // the writer sets.
                    Step::sql(
                        "CREATE OR REPLACE FUNCTION public.rylie_audit_position() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                         SET search_path = pg_catalog, public, pg_temp \
                         AS $$ BEGIN NEW.position := nextval('public.rylie_audit_position'); RETURN NEW; END $$",
                    ),
                    Step::sql(
                        "CREATE OR REPLACE TRIGGER \"AuditLog_position\" BEFORE INSERT ON \"AuditLog\" FOR EACH ROW \
                         EXECUTE FUNCTION public.rylie_audit_position()",
                    ),
                ]);
                steps
            }
            Engine::Sqlite => {
                let mut steps: Vec<Step> = COLUMNS
                    .iter()
                    .map(|(name, kind)| Step::sql(format!("ALTER TABLE \"AuditLog\" ADD COLUMN \"{name}\" {kind}")))
                    .collect();
                steps.extend([
                    Step::sql(
                        "CREATE TABLE rylie_audit_pending (\n    position INTEGER PRIMARY KEY AUTOINCREMENT,\n    record_id TEXT NOT NULL\n)",
                    ),
                    Step::sql("CREATE UNIQUE INDEX rylie_audit_pending_record ON rylie_audit_pending (record_id)"),
                    Step::sql("INSERT INTO rylie_audit_pending (record_id) SELECT id FROM \"AuditLog\" ORDER BY \"createdAt\", id"),
                    Step::sql("DROP TRIGGER \"AuditLog_tenantId_insert\""),
                    Step::sql(COMPLETE),
                ]);
                steps
            }
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                let mut steps = vec![
                    Step::sql("DROP TRIGGER IF EXISTS \"AuditLog_position\" ON \"AuditLog\""),
                    Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_position()"),
                    Step::sql("DROP SEQUENCE IF EXISTS rylie_audit_position"),
                ];
                steps.extend(
                    COLUMNS.iter().map(|(name, _)| {
                        Step::sql(format!("ALTER TABLE \"AuditLog\" DROP COLUMN IF EXISTS \"{name}\""))
                    }),
                );
                steps
            }
            Engine::Sqlite => {
                let mut steps =
                    vec![Step::sql("DROP TRIGGER \"AuditLog_complete\""), Step::sql("DROP TABLE rylie_audit_pending")];
                steps.extend(
                    COLUMNS
                        .iter()
                        .map(|(name, _)| Step::sql(format!("ALTER TABLE \"AuditLog\" DROP COLUMN \"{name}\""))),
                );
                steps.push(Step::sql(AUDIT_LOG_TRIGGER));
                steps
            }
        }
    }
}
