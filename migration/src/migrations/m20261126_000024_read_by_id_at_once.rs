//! Functions that read a tenant's rows by their ids in one round trip, with both walls.
//!
//! Whoever calls one outside a transaction has a transaction that is the call alone: the function takes the tenant's role and says
//! which tenant, as a unit's `BEGIN` does, and then reads. The order of the three is the language's, not the planner's choice. It has its
//! caller's rights and no others: a login that may not take the role gets an error.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const FUNCTIONS: [(&str, &str); 2] = [("rylie_requests_by_id", "Request"), ("rylie_tasks_by_id", "Task")];

pub(crate) struct ReadByIdAtOnce;

impl Migration for ReadByIdAtOnce {
    fn name(&self) -> &'static str {
        "m20261126_000024_read_by_id_at_once"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                // The tables' owner's, whoever made one of that name before: the service runs it with its own rights.
                let owner = |name| format!("ALTER FUNCTION public.{name}(text, text[]) OWNER TO CURRENT_USER");
                FUNCTIONS.iter().flat_map(|(name, table)| [function(name, table), owner(name)]).map(Step::sql).collect()
            }
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let drop = |name| Step::sql(format!("DROP FUNCTION IF EXISTS public.{name}(text, text[])"));
        match engine {
            Engine::Postgres => FUNCTIONS.iter().map(|(name, _)| drop(name)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }
}

/// One plan for any number of ids: the planner would else make one for each call, as it thinks well of few ids.
fn function(name: &str, table: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION public.{name}(tenant text, ids text[]) RETURNS SETOF public.\"{table}\" LANGUAGE plpgsql ROWS 1 \
         AS $$ BEGIN \
         PERFORM pg_catalog.set_config('role', 'rylie_tenant', true), pg_catalog.set_config('rylie.tenant', tenant, true), \
         pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true); \
         RETURN QUERY SELECT * FROM public.\"{table}\" t WHERE t.id = ANY (ids) AND t.\"tenantId\" = tenant; \
         END $$"
    )
}
