//! Takes the rights of provisioned readers on the base's tables back.

use crate::migrations::{BASE_TABLES, Migration};
use crate::step::{Engine, Step};

/// Steps of the undo. They are not in the list of migrations and never recorded.
pub(super) struct Close;

impl Migration for Close {
    fn name(&self) -> &'static str {
        "closing the tables to provisioned readers"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => BASE_TABLES.iter().map(|table| close(table)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, _: Engine) -> Vec<Step> {
        Vec::new()
    }
}

/// Returns one statement per table. A reader has a policy of its name, and rights on columns.
fn close(table: &str) -> Step {
    Step::sql(format!(
        "DO $$ DECLARE named text; BEGIN \
         FOR named IN SELECT polname FROM pg_policy WHERE polrelid = to_regclass('public.\"{table}\"') AND polname ~ '^rylie_reader_' LOOP \
         EXECUTE format('DROP POLICY %I ON public.\"{table}\"', named); \
         IF EXISTS (SELECT FROM pg_roles WHERE rolname = substr(named, 14)) THEN \
         EXECUTE format('REVOKE ALL ON public.\"{table}\" FROM %I', substr(named, 14)); END IF; END LOOP; \
         IF to_regclass('public.rylie_logins') IS NOT NULL THEN \
         FOR named IN EXECUTE 'SELECT login FROM public.rylie_logins JOIN pg_roles ON rolname = login WHERE kind = ''readonly''' LOOP \
         EXECUTE format('REVOKE ALL ON public.\"{table}\" FROM %I', named); END LOOP; END IF; END $$"
    ))
}
