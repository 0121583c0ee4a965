//! The mark by which a database is known as one of ours: its fingerprint, and how careful to be with it.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

pub(crate) struct CreateRylieDatabase;

impl Migration for CreateRylieDatabase {
    fn name(&self) -> &'static str {
        "m20261123_000002_create_rylie_database"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        // `now()` at UTC, because a session's time zone would otherwise leak into a timestamp without one.
        let (timestamp, now, fingerprint) = match engine {
            Engine::Postgres => ("timestamp(3)", "(now() AT TIME ZONE 'UTC')", "gen_random_uuid()::text"),
            Engine::Sqlite => (
                "TIMESTAMP",
                "(strftime('%Y-%m-%d %H:%M:%f', 'now'))",
                // A UUID in the form PostgreSQL writes it, version and variant included.
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
        // A new table, and a second fingerprint must not be tried.
        true
    }
}
