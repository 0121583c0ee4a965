//! The environment marker, which identifies our databases: fingerprint, environment and state.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct CreateRylieDatabase;

impl Migration for CreateRylieDatabase {
    fn name(&self) -> &'static str {
        "m20261123_000002_create_rylie_database"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        // `now()` in UTC, since the column has no time zone and would otherwise store the session's local time.
        let (timestamp, now, fingerprint) = match engine {
            Engine::Postgres => ("timestamp(3)", "(now() AT TIME ZONE 'UTC')", "gen_random_uuid()::text"),
            Engine::Sqlite => (
                "TIMESTAMP",
                "(strftime('%Y-%m-%d %H:%M:%f', 'now'))",
                // A UUID in PostgreSQL's format, including version and variant.
                "lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' || substr(lower(hex(randomblob(2))), 2) \
                 || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6)))",
            ),
        };
        vec![
            Step::sql(format!(
                "CREATE TABLE rylie_database (
    id integer NOT NULL DEFAULT 1,
    fingerprint text NOT NULL,
    environment text NOT NULL DEFAULT 'development',
    state text NOT NULL DEFAULT 'fresh',
    created_at {timestamp} NOT NULL DEFAULT {now},
    adopted_at {timestamp},
    CONSTRAINT rylie_database_pkey PRIMARY KEY (id),
    CONSTRAINT rylie_database_single_row CHECK (id = 1),
    CONSTRAINT rylie_database_environment CHECK (environment IN ('production', 'staging', 'development')),
    CONSTRAINT rylie_database_state CHECK (state IN ('fresh', 'coexistence'))
)"
            )),
            Step::sql(format!("INSERT INTO rylie_database (fingerprint) VALUES ({fingerprint})")),
        ]
    }

    fn down(&self, _engine: Engine) -> Vec<Step> {
        vec![Step::sql("DROP TABLE rylie_database")]
    }

    fn in_transaction(&self, _engine: Engine) -> bool {
        // The table is new, and a retry must not create a second fingerprint.
        true
    }
}
