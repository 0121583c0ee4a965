//! The tables of the audit log's seals: batches with signed checkpoints, each batch's statement about each tenant, the
//! leaves, and the records that wait for sealing. The last is a separate table, because the log itself is never
//! updated.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// The tables of the seals; `rylie_audit_pending` is the first, the leaves are last.
pub(crate) const TABLES: [&str; 4] =
    ["rylie_audit_pending", "rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf"];

/// Reads the log as the platform role if row-level security applies to the table owner.
const FILL: &str = "DO $$ DECLARE worker text := current_user; BEGIN \
IF row_security_active('public.\"AuditLog\"') THEN \
GRANT SELECT, INSERT ON public.rylie_audit_pending TO rylie_platform; GRANT USAGE ON SEQUENCE public.rylie_audit_position TO rylie_platform; \
PERFORM set_config('role', 'rylie_platform', true); PERFORM set_config('row_security', 'on', true); END IF; \
INSERT INTO public.rylie_audit_pending (record_id) SELECT a.id FROM public.\"AuditLog\" a \
WHERE NOT EXISTS (SELECT FROM public.rylie_audit_pending p WHERE p.record_id = a.id) ORDER BY a.\"createdAt\", a.id; \
IF current_user <> worker THEN PERFORM set_config('role', worker, true); \
REVOKE ALL ON public.rylie_audit_pending FROM rylie_platform; REVOKE ALL ON SEQUENCE public.rylie_audit_position FROM rylie_platform; \
END IF; END $$";

pub(crate) struct CreateAuditSeals;

impl Migration for CreateAuditSeals {
    fn name(&self) -> &'static str {
        "m20261124_000012_create_audit_seals"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let (bytes, timestamp) = match engine {
            Engine::Postgres => ("bytea", "timestamp(3)"),
            Engine::Sqlite => ("BLOB", "TIMESTAMP"),
        };
        let mut steps = Vec::new();
        if engine == Engine::Postgres {
            steps.extend([
                Step::sql(
                    "CREATE TABLE IF NOT EXISTS rylie_audit_pending (\n    position bigint NOT NULL DEFAULT nextval('rylie_audit_position'),\n    \
                     record_id text NOT NULL,\n    CONSTRAINT rylie_audit_pending_pkey PRIMARY KEY (position)\n)",
                ),
                // Runs with the owner's rights: the application's roles can only add to the waiting records, by
                // recording.
                Step::sql(
                    "CREATE OR REPLACE FUNCTION public.rylie_audit_enqueue() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER \
                     SET search_path = pg_catalog, public, pg_temp \
                     AS $$ BEGIN INSERT INTO public.rylie_audit_pending (position, record_id) VALUES (NEW.position, NEW.id); RETURN NULL; END $$",
                ),
                Step::sql(
                    "CREATE OR REPLACE TRIGGER \"AuditLog_enqueue\" AFTER INSERT ON \"AuditLog\" FOR EACH ROW \
                     EXECUTE FUNCTION public.rylie_audit_enqueue()",
                ),
                Step::sql(FILL),
            ]);
        }
        steps.extend([
            Step::sql(format!(
                "CREATE TABLE IF NOT EXISTS rylie_audit_batch (\n    batch bigint NOT NULL,\n    sealed_at {timestamp} NOT NULL,\n    \
                 records bigint NOT NULL,\n    total bigint NOT NULL,\n    checkpoint text NOT NULL,\n    removed_at {timestamp},\n    \
                 CONSTRAINT rylie_audit_batch_pkey PRIMARY KEY (batch)\n)"
            )),
            Step::sql(format!(
                "CREATE TABLE IF NOT EXISTS rylie_audit_tenant (\n    batch bigint NOT NULL,\n    number bigint NOT NULL,\n    \
                 tenant text NOT NULL,\n    records bigint NOT NULL,\n    total bigint NOT NULL,\n    root {bytes} NOT NULL,\n    \
                 CONSTRAINT rylie_audit_tenant_pkey PRIMARY KEY (batch, number)\n)"
            )),
            Step::sql("CREATE UNIQUE INDEX IF NOT EXISTS rylie_audit_tenant_key ON rylie_audit_tenant (tenant, batch)"),
            Step::sql(format!(
                "CREATE TABLE IF NOT EXISTS rylie_audit_leaf (\n    batch bigint NOT NULL,\n    number bigint NOT NULL,\n    \
                 tenant_number bigint NOT NULL,\n    record_id text NOT NULL,\n    leaf {bytes} NOT NULL,\n    who_salt {bytes},\n    \
                 what_salt {bytes},\n    who {bytes},\n    what {bytes},\n    CONSTRAINT rylie_audit_leaf_pkey PRIMARY KEY (batch, number)\n)"
            )),
            Step::sql("CREATE UNIQUE INDEX IF NOT EXISTS rylie_audit_leaf_record ON rylie_audit_leaf (record_id)"),
        ]);
        steps
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let mut steps: Vec<Step> =
            TABLES[1..].iter().map(|table| Step::sql(format!("DROP TABLE IF EXISTS {table}"))).collect();
        if engine == Engine::Postgres {
            steps.extend([
                Step::sql("DROP TRIGGER IF EXISTS \"AuditLog_enqueue\" ON \"AuditLog\""),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_audit_enqueue()"),
                Step::sql("DROP TABLE IF EXISTS rylie_audit_pending"),
            ]);
        }
        steps
    }
}
