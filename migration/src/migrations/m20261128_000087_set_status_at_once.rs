//! A function that changes a request's status and records it in one round trip, with both isolation layers.
//!
//! Called outside a transaction, the call is a separate transaction. The function assumes the tenant role and sets the
//! tenant, as a unit's `BEGIN` does. A status that already holds is neither written nor recorded. Tenant and row of the
//! record are those of the call, whatever its JSON says. The function runs with its caller's rights: a login that may
//! not assume the role gets an error.

use crate::migrations::Migration;
use crate::migrations::at_once::{RECORD, create, drop, names, types};
use crate::step::{Engine, Step};

const SIGNATURE: &str = "public.rylie_set_request_status(text, text, boolean, text, text, timestamp, text)";

pub(crate) struct SetStatusAtOnce;

impl Migration for SetStatusAtOnce {
    fn name(&self) -> &'static str {
        "m20261128_000087_set_status_at_once"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => create(function(), SIGNATURE).into(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![drop(SIGNATURE)],
            Engine::Sqlite => Vec::new(),
        }
    }
}

/// Returns the function. It returns the request as stored, if the caller reaches it.
///
/// Another transaction may change the request between two statements. A request that was out of reach of the first and
/// has another status is locked, and the second pass finds it as it is then. The enum's operators are named with their
/// schema, because one of the exact type in `public` would come first.
fn function() -> String {
    let (columns, types) = (names(&RECORD), types(&RECORD));
    let read = RECORD.iter().map(|(name, _)| format!("n.\"{name}\"")).collect::<Vec<_>>().join(", ");
    let within =
        "r.id = request_id AND r.\"tenantId\" = tenant AND NOT r.deleted AND (NOT only_own OR r.\"userId\" = caller)";
    format!(
        "CREATE OR REPLACE FUNCTION public.rylie_set_request_status(tenant text, caller text, only_own boolean, request_id text, new_status text, changed_at timestamp, record text) \
         RETURNS SETOF public.\"Request\" LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, public, pg_temp \
         AS $$ #variable_conflict use_variable\nBEGIN \
         PERFORM pg_catalog.set_config('role', 'rylie_tenant', true), pg_catalog.set_config('rylie.tenant', tenant, true); \
         FOR attempt IN 1..2 LOOP \
         RETURN QUERY WITH changed AS (UPDATE public.\"Request\" r SET status = new_status::public.\"RequestStatus\", \
         \"completedAt\" = CASE WHEN new_status = 'COMPLETED' THEN changed_at END, \"updatedAt\" = changed_at \
         WHERE {within} AND r.status OPERATOR(pg_catalog.<>) new_status::public.\"RequestStatus\" RETURNING r AS request), \
         recorded AS (INSERT INTO public.\"AuditLog\" (\"tenantId\", \"resourceId\", {columns}) \
         SELECT tenant, (changed.request).id, {read} FROM changed, pg_catalog.json_to_record(record::json) AS n ({types}) \
         WHERE public.rylie_audit_logging()) \
         SELECT (changed.request).* FROM changed; \
         IF FOUND THEN RETURN; END IF; \
         RETURN QUERY SELECT r.* FROM public.\"Request\" r WHERE {within} AND r.status OPERATOR(pg_catalog.=) new_status::public.\"RequestStatus\"; \
         IF FOUND THEN RETURN; END IF; \
         PERFORM FROM public.\"Request\" r WHERE {within} FOR NO KEY UPDATE; \
         IF NOT FOUND THEN RETURN; END IF; \
         END LOOP; \
         END $$"
    )
}
