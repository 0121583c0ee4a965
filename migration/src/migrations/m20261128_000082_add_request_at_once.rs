//! A function that adds a request, its tasks and their record in one round trip, with both isolation layers.
//!
//! Called outside a transaction, the call is a separate transaction. The function assumes the tenant role and sets the
//! tenant, as a unit's `BEGIN` does. Then it reads the owner and adds the rows. Tenant, owner and request of the rows are
//! those of the call, whatever their JSON says. It records what it added if it gets a record, unless the platform's
//! settings say otherwise. The function runs with its caller's rights: a login that may not assume the role gets an
//! error.

use crate::migrations::Migration;
use crate::migrations::at_once::{Column, RECORD, create, drop, names, types};
use crate::step::{Engine, Step};

const SIGNATURE: &str = "public.rylie_add_request(text, text, text, boolean, text, text, text)";

/// The columns that come from the request's JSON, with their types.
const REQUEST: [Column; 25] = [
    ("id", "text"),
    ("agencyId", "text"),
    ("title", "text"),
    ("description", "text"),
    ("type", "text"),
    ("priority", "public.\"RequestPriority\""),
    ("status", "public.\"RequestStatus\""),
    ("packageType", "public.\"PackageType\""),
    ("pagesCompleted", "integer"),
    ("blogsCompleted", "integer"),
    ("gbpPostsCompleted", "integer"),
    ("improvementsCompleted", "integer"),
    ("keywords", "jsonb"),
    ("targetUrl", "text"),
    ("targetCities", "jsonb"),
    ("targetModels", "jsonb"),
    ("completedTasks", "jsonb"),
    ("contentUrl", "text"),
    ("pageTitle", "text"),
    ("completedAt", "timestamp"),
    ("createdAt", "timestamp"),
    ("updatedAt", "timestamp"),
    ("seoworksTaskId", "text"),
    ("deleted", "boolean"),
    ("deletedAt", "timestamp"),
];

/// The columns that come from a task's JSON, with their types.
const TASK: [Column; 21] = [
    ("id", "text"),
    ("title", "text"),
    ("description", "text"),
    ("type", "public.\"TaskType\""),
    ("status", "public.\"TaskStatus\""),
    ("priority", "public.\"RequestPriority\""),
    ("targetUrl", "text"),
    ("targetCity", "text"),
    ("targetModel", "text"),
    ("keywords", "jsonb"),
    ("completedUrl", "text"),
    ("completedTitle", "text"),
    ("completedNotes", "text"),
    ("dueDate", "timestamp"),
    ("startedAt", "timestamp"),
    ("completedAt", "timestamp"),
    ("metadata", "jsonb"),
    ("createdAt", "timestamp"),
    ("updatedAt", "timestamp"),
    ("deleted", "boolean"),
    ("deletedAt", "timestamp"),
];

pub(crate) struct AddRequestAtOnce;

impl Migration for AddRequestAtOnce {
    fn name(&self) -> &'static str {
        "m20261128_000082_add_request_at_once"
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

/// Returns the function. It returns the owner if the caller reaches it. For a super admin other than the caller it
/// returns the owner and adds nothing.
fn function() -> String {
    let (request, task, record) = (names(&REQUEST), names(&TASK), names(&RECORD));
    let (request_types, task_types, record_types) = (types(&REQUEST), types(&TASK), types(&RECORD));
    format!(
        "CREATE OR REPLACE FUNCTION public.rylie_add_request(tenant text, caller text, owner text, only_own boolean, request text, tasks text, record text) \
         RETURNS SETOF public.\"User\" LANGUAGE plpgsql ROWS 1 SET search_path = pg_catalog, public, pg_temp \
         AS $$ DECLARE found_user public.\"User\"; request_id text; BEGIN \
         PERFORM pg_catalog.set_config('role', 'rylie_tenant', true), pg_catalog.set_config('rylie.tenant', tenant, true); \
         found_user := (SELECT u FROM public.\"User\" u WHERE u.id = owner AND u.\"tenantId\" = tenant AND (NOT only_own OR u.id = caller)); \
         IF found_user.id IS NULL THEN RETURN; END IF; \
         RETURN NEXT found_user; \
         request_id := request::json ->> 'id'; \
         IF found_user.role = 'SUPER_ADMIN' AND found_user.id <> caller THEN RETURN; END IF; \
         INSERT INTO public.\"Request\" (\"tenantId\", \"userId\", {request}) \
         SELECT tenant, owner, {request} FROM pg_catalog.json_to_record(request::json) AS r ({request_types}); \
         INSERT INTO public.\"Task\" (\"tenantId\", \"userId\", \"requestId\", {task}) \
         SELECT tenant, owner, request_id, {task} FROM pg_catalog.json_to_recordset(tasks::json) AS r ({task_types}); \
         IF record IS NOT NULL AND public.rylie_audit_logging() THEN \
         INSERT INTO public.\"AuditLog\" (\"tenantId\", \"resourceId\", {record}) \
         SELECT tenant, request_id, {record} FROM pg_catalog.json_to_record(record::json) AS r ({record_types}); \
         END IF; \
         END $$"
    )
}
