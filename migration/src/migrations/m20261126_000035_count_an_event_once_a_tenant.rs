//! The tenant in which an event was counted. It stays when the user moves, and an event counts once in it.
//!
//! `"tenantId"` follows its user, so it cannot be unique with the key: two users who meet in a tenant may both have
//! one. Earlier rows contain null, which conflicts with nothing; they are found by their user and current tenant.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const INDEX: &str = "UsageEvent_countedIn_key_key";

/// Prevents a writer from naming another tenant, which could keep that tenant's events from being counted.
const FUNCTION: &str = "CREATE OR REPLACE FUNCTION public.rylie_usage_event_counted_in() RETURNS trigger LANGUAGE plpgsql \
     SET search_path = pg_catalog, public, pg_temp AS $$ BEGIN NEW.\"countedIn\" := NEW.\"tenantId\"; RETURN NEW; END $$";
const TRIGGER: &str = "CREATE OR REPLACE TRIGGER \"UsageEvent_countedIn\" BEFORE INSERT ON \"UsageEvent\" FOR EACH ROW \
     WHEN (NEW.\"countedIn\" <> NEW.\"tenantId\") EXECUTE FUNCTION public.rylie_usage_event_counted_in()";

pub(crate) struct CountAnEventOnceATenant;

impl Migration for CountAnEventOnceATenant {
    fn name(&self) -> &'static str {
        "m20261126_000035_count_an_event_once_a_tenant"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let mut steps = match engine {
            Engine::Postgres => vec![
                Step::sql("ALTER TABLE \"UsageEvent\" ADD COLUMN IF NOT EXISTS \"countedIn\" text"),
                Step::sql(FUNCTION),
                Step::sql(TRIGGER),
            ],
            Engine::Sqlite => vec![Step::sql("ALTER TABLE \"UsageEvent\" ADD COLUMN \"countedIn\" TEXT")],
        };
        steps.push(Step::unique_index(engine, INDEX, "\"UsageEvent\" (\"countedIn\", key)"));
        steps
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let index = Step::drop_index(engine, INDEX);
        match engine {
            Engine::Postgres => vec![
                index,
                Step::sql("DROP TRIGGER IF EXISTS \"UsageEvent_countedIn\" ON \"UsageEvent\""),
                Step::sql("DROP FUNCTION IF EXISTS public.rylie_usage_event_counted_in()"),
                Step::sql("ALTER TABLE \"UsageEvent\" DROP COLUMN IF EXISTS \"countedIn\""),
            ],
            Engine::Sqlite => vec![index, Step::sql("ALTER TABLE \"UsageEvent\" DROP COLUMN \"countedIn\"")],
        }
    }
}
