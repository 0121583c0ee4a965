//! The rights on the seals. The platform role seals. `rylie_auditor`, a role for people who verify, reads the log and
//! the seals and nothing else (`GRANT rylie_auditor TO ann`).

use crate::migrations::Migration;
use crate::migrations::m20261123_000007_create_door_roles::DOORS_OPEN;
use crate::step::{Engine, Step};

/// A login that verifies assumes this role. Like the units' roles, it inherits nothing.
const ROLE: &str = "DO $$ BEGIN SET LOCAL ROLE NONE; \
IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_auditor') THEN \
CREATE ROLE rylie_auditor NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT; END IF; \
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; END $$";

/// Grants exactly these rights. A forced policy would hide the log from the functions that remove and erase, which run
/// as its owner. It exempts them by the setting that only they set.
fn grants() -> String {
    format!(
        "DO $$ BEGIN IF {DOORS_OPEN} THEN \
         GRANT SELECT, INSERT ON rylie_audit_batch, rylie_audit_tenant, rylie_audit_leaf TO rylie_platform; \
         GRANT SELECT, DELETE ON rylie_audit_pending TO rylie_platform; \
         GRANT SELECT ON rylie_database TO rylie_platform; \
         GRANT EXECUTE ON FUNCTION public.rylie_audit_remove_batch(bigint, timestamp), public.rylie_audit_erase(text, text, bytea) TO rylie_platform; \
         DROP POLICY IF EXISTS rylie_audit_keeper ON \"AuditLog\"; \
         CREATE POLICY rylie_audit_keeper ON \"AuditLog\" TO CURRENT_USER USING (coalesce(current_setting('rylie.audit_keeper', true), '') <> ''); \
         END IF; \
         IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_auditor') THEN \
         GRANT USAGE ON SCHEMA public TO rylie_auditor; \
         GRANT SELECT ON \"AuditLog\", rylie_audit_batch, rylie_audit_tenant, rylie_audit_leaf, rylie_audit_pending, rylie_database TO rylie_auditor; \
         DROP POLICY IF EXISTS rylie_auditor ON \"AuditLog\"; \
         CREATE POLICY rylie_auditor ON \"AuditLog\" FOR SELECT TO rylie_auditor USING (true); \
         END IF; END $$"
    )
}

const REVOKE: &str = "DO $$ BEGIN \
DROP POLICY IF EXISTS rylie_audit_keeper ON \"AuditLog\"; DROP POLICY IF EXISTS rylie_auditor ON \"AuditLog\"; \
IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_platform') THEN \
REVOKE ALL ON rylie_audit_batch, rylie_audit_tenant, rylie_audit_leaf, rylie_audit_pending, rylie_database FROM rylie_platform; \
REVOKE ALL ON FUNCTION public.rylie_audit_remove_batch(bigint, timestamp), public.rylie_audit_erase(text, text, bytea) FROM rylie_platform; END IF; \
IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_auditor') THEN \
REVOKE ALL ON \"AuditLog\", rylie_audit_batch, rylie_audit_tenant, rylie_audit_leaf, rylie_audit_pending, rylie_database FROM rylie_auditor; \
REVOKE USAGE ON SCHEMA public FROM rylie_auditor; END IF; END $$";

pub(crate) struct GrantAuditSeals;

impl Migration for GrantAuditSeals {
    fn name(&self) -> &'static str {
        "m20261124_000014_grant_audit_seals"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let correlation = Step::index(
            engine,
            "AuditLog_correlationId_idx",
            "\"AuditLog\" (\"correlationId\") WHERE \"correlationId\" IS NOT NULL",
        );
        match engine {
            Engine::Postgres => vec![Step::sql(ROLE), Step::sql(grants()), correlation],
            Engine::Sqlite => vec![correlation],
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let correlation = Step::drop_index(engine, "AuditLog_correlationId_idx");
        match engine {
            Engine::Postgres => vec![correlation, Step::sql(REVOKE)],
            Engine::Sqlite => vec![correlation],
        }
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}
