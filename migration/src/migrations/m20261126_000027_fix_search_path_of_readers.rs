//! A fixed search path for the functions that read by id, as all our other functions have. The caller's path or a
//! temporary table must not change what a name resolves to.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// The functions of `m20261126_000024_read_by_id_at_once`.
pub(crate) const READERS: [&str; 2] = ["rylie_requests_by_id", "rylie_tasks_by_id"];

pub(crate) struct FixSearchPathOfReaders;

impl Migration for FixSearchPathOfReaders {
    fn name(&self) -> &'static str {
        "m20261126_000027_fix_search_path_of_readers"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        alter(engine, "SET search_path = pg_catalog, public, pg_temp")
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        alter(engine, "RESET search_path")
    }
}

fn alter(engine: Engine, change: &str) -> Vec<Step> {
    match engine {
        Engine::Postgres => READERS
            .iter()
            .map(|name| Step::sql(format!("ALTER FUNCTION public.{name}(text, text[]) {change}")))
            .collect(),
        Engine::Sqlite => Vec::new(),
    }
}
