//! Lets the server set the time of audit records from the tenant and identity roles, as it sets their position.
//!
//! The platform role imports a tenant's records with their times, and the old service sets its own. A time that no
//! reader can represent (`infinity`, before the year 1, after 9999) becomes the server's in any case.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct KeepAuditTime;

impl Migration for KeepAuditTime {
    fn name(&self) -> &'static str {
        "m20261126_000032_keep_audit_time"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            // Runs with the writer's rights, since it checks the writer's role.
            Engine::Postgres => vec![
                Step::sql(
                    "CREATE OR REPLACE FUNCTION public.rylie_audit_time() RETURNS trigger LANGUAGE plpgsql \
                     SET search_path = pg_catalog, public, pg_temp \
                     AS $$ BEGIN IF current_user IN ('rylie_tenant', 'rylie_identity') \
                     OR NEW.\"createdAt\" NOT BETWEEN '0001-01-01' AND '9999-12-31' THEN \
                     NEW.\"createdAt\" := date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC'); END IF; RETURN NEW; END $$",
                ),
                Step::sql("ALTER FUNCTION public.rylie_audit_time() OWNER TO CURRENT_USER"),
                Step::sql(
                    "CREATE OR REPLACE TRIGGER \"AuditLog_time\" BEFORE INSERT ON \"AuditLog\" FOR EACH ROW \
                     EXECUTE FUNCTION public.rylie_audit_time()",
                ),
            ],
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![
                Step::sql("DROP TRIGGER IF EXISTS \"AuditLog_time\" ON \"AuditLog\""),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_time()"),
            ],
            Engine::Sqlite => Vec::new(),
        }
    }
}
