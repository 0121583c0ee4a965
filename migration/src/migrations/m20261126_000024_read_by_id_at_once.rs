//! Functions that read a tenant's rows by their ids in one round trip, with both isolation layers.
//!
//! Called outside a transaction, the call is a separate transaction. The function assumes the tenant role and sets the
//! tenant, as a unit's `BEGIN` does, and then reads. PL/pgSQL runs the three in order; the planner cannot reorder them.
//! The function runs with its caller's rights: a login that may not assume the role gets an error.

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
                // The table owner must own it, even if another role created one of that name before: the service runs
                // it with its own rights.
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

/// A generic plan serves any number of ids. Otherwise the planner would make a plan per call, as it estimates few ids
/// to be cheaper.
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
