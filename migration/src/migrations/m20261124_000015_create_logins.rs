//! The provisioned logins and what each sees. With this record, deploys grant later tables to them.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct CreateLogins;

impl Migration for CreateLogins {
    fn name(&self) -> &'static str {
        "m20261124_000015_create_logins"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql(
                "CREATE TABLE IF NOT EXISTS rylie_logins (
    login text NOT NULL,
    kind text NOT NULL,
    tenant text,
    every_tenant boolean NOT NULL DEFAULT false,
    reason text,
    provisioned_at timestamp(3) NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
    CONSTRAINT rylie_logins_pkey PRIMARY KEY (login),
    CONSTRAINT rylie_logins_kind CHECK (kind IN ('app', 'readonly')),
    CONSTRAINT rylie_logins_sees CHECK (NOT every_tenant OR tenant IS NULL AND reason IS NOT NULL)
)",
            )],
            // SQLite has no logins.
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![Step::sql("DROP TABLE IF EXISTS rylie_logins")],
            Engine::Sqlite => Vec::new(),
        }
    }
}
