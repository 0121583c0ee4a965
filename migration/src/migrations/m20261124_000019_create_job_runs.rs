//! The scheduler's runs: one row per job and due time, so that no due time runs twice.

use crate::migrations::Migration;
use crate::migrations::m20261123_000007_create_door_roles::DOORS_OPEN;
use crate::step::{Engine, Step};

pub(crate) struct CreateJobRuns;

impl Migration for CreateJobRuns {
    fn name(&self) -> &'static str {
        "m20261124_000019_create_job_runs"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let timestamp = timestamp(engine);
        let table = format!(
            "CREATE TABLE IF NOT EXISTS rylie_job_runs (
    job text NOT NULL,
    due {timestamp} NOT NULL,
    status text NOT NULL,
    manual {boolean} NOT NULL,
    holder text,
    attempt {bigint} NOT NULL DEFAULT 0,
    started {timestamp},
    finished {timestamp},
    leased_until {timestamp},
    error text,
    CONSTRAINT rylie_job_runs_pkey PRIMARY KEY (job, due),
    CONSTRAINT rylie_job_runs_status CHECK (status IN ('registered', 'skipped', 'running', 'done', 'failed'))
)",
            boolean = if engine == Engine::Postgres { "boolean" } else { "BOOLEAN" },
            bigint = bigint(engine),
        );
        // The table is new, so no session waits for an index on it.
        let one = |name: &str, status: &str| {
            Step::sql(format!(
                "CREATE UNIQUE INDEX IF NOT EXISTS {name} ON rylie_job_runs (job) WHERE status = '{status}'"
            ))
        };
        let mut steps = vec![
            Step::sql(table),
            one("rylie_job_runs_no_overlap", "running"),
            one("rylie_job_runs_one_beginning", "registered"),
        ];
        steps.extend(grant(engine, "rylie_job_runs"));
        steps
    }

    fn down(&self, _engine: Engine) -> Vec<Step> {
        vec![Step::sql("DROP TABLE IF EXISTS rylie_job_runs")]
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}

pub(crate) fn timestamp(engine: Engine) -> &'static str {
    if engine == Engine::Postgres { "timestamp(3)" } else { "TIMESTAMP" }
}

pub(crate) fn bigint(engine: Engine) -> &'static str {
    if engine == Engine::Postgres { "bigint" } else { "BIGINT" }
}

/// Grants an operational table to the platform role only.
pub(crate) fn grant(engine: Engine, table: &str) -> Option<Step> {
    (engine == Engine::Postgres).then(|| {
        Step::sql(format!(
            "DO $$ BEGIN IF {DOORS_OPEN} THEN REVOKE ALL ON {table} FROM rylie_platform; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO rylie_platform; END IF; END $$"
        ))
    })
}
