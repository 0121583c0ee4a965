//! A policy for each provisioned login, on the record of logins.
//!
//! It marks the login in the catalog of this database, where every role may read it. Memberships cannot: they belong to
//! the whole server. Row-level security is off on the record, so the policy has no other effect. `rylie roles provision`
//! creates it for later logins.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct MarkProvisionedLogins;

impl Migration for MarkProvisionedLogins {
    fn name(&self) -> &'static str {
        "m20261127_000069_mark_provisioned_logins"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql(
                "DO $$ DECLARE name text; BEGIN \
                 FOR name IN SELECT r.rolname FROM public.rylie_logins l JOIN pg_catalog.pg_roles r ON r.rolname = l.login \
                 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = 'public.rylie_logins'::regclass \
                 AND p.polname = 'rylie_login_' || l.login) LOOP \
                 EXECUTE format('CREATE POLICY %I ON public.rylie_logins FOR SELECT TO %I USING (false)', 'rylie_login_' || name, name); \
                 END LOOP; END $$",
            )],
            // SQLite has no logins.
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql(
                "DO $$ DECLARE name text; BEGIN \
                 FOR name IN SELECT p.polname FROM pg_catalog.pg_policy p WHERE p.polrelid = 'public.rylie_logins'::regclass \
                 AND p.polname ~ '^rylie_login_' LOOP EXECUTE format('DROP POLICY %I ON public.rylie_logins', name); END LOOP; END $$",
            )],
            Engine::Sqlite => Vec::new(),
        }
    }
}
