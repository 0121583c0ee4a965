//! Lets sealers exclude each other by a lock that only they may take. Before, they used an advisory lock, which every
//! login may take and keep. PostgreSQL only: SQLite has one writer.
//!
//! The lock is that of the only row of `rylie_database`. No role but the owner has the right to lock it, so it is reached
//! by a function of the owner that only `rylie_sealer` may call. A command of before takes the advisory lock alone; a
//! command of now takes both.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const SIGNATURE: &str = "public.rylie_audit_lock_sealing()";

const FUNCTION: &str = "CREATE OR REPLACE FUNCTION public.rylie_audit_lock_sealing() RETURNS boolean LANGUAGE plpgsql \
     SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET row_security = on \
     AS $$ BEGIN PERFORM FROM rylie_database FOR UPDATE SKIP LOCKED; RETURN FOUND; END $$";

pub(crate) struct LockSealing;

impl Migration for LockSealing {
    fn name(&self) -> &'static str {
        "m20261127_000080_lock_sealing"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![
                Step::sql(FUNCTION),
                Step::sql(format!("ALTER FUNCTION {SIGNATURE} OWNER TO CURRENT_USER")),
                Step::sql(format!("REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")),
                Step::sql(format!(
                    "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_sealer') THEN \
                     GRANT EXECUTE ON FUNCTION {SIGNATURE} TO rylie_sealer; END IF; END $$"
                )),
            ],
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql(format!("DROP FUNCTION IF EXISTS {SIGNATURE}"))],
            Engine::Sqlite => Vec::new(),
        }
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}
