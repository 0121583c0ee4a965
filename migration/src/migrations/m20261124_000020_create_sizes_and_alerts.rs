//! The history of the database's size, the crossed thresholds, and the alerts to deliver.

use crate::migrations::Migration;
use crate::migrations::m20261124_000019_create_job_runs::{bigint, grant, timestamp};
use crate::step::{Engine, Step};

const TABLES: [&str; 3] = ["rylie_size_history", "rylie_alerts", "rylie_alert_deliveries"];

pub(crate) struct CreateSizesAndAlerts;

impl Migration for CreateSizesAndAlerts {
    fn name(&self) -> &'static str {
        "m20261124_000020_create_sizes_and_alerts"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let (timestamp, bigint) = (timestamp(engine), bigint(engine));
        let mut steps = vec![
            // The table's name is empty for the whole database.
            Step::sql(format!(
                "CREATE TABLE IF NOT EXISTS rylie_size_history (
    table_name text NOT NULL,
    at {timestamp} NOT NULL,
    bytes {bigint} NOT NULL,
    row_count {bigint},
    CONSTRAINT rylie_size_history_pkey PRIMARY KEY (table_name, at)
)"
            )),
            Step::sql(format!(
                "CREATE TABLE IF NOT EXISTS rylie_alerts (
    name text NOT NULL,
    threshold {bigint} NOT NULL,
    crossed {boolean} NOT NULL,
    value {bigint} NOT NULL,
    changed_at {timestamp} NOT NULL,
    checked_at {timestamp} NOT NULL,
    CONSTRAINT rylie_alerts_pkey PRIMARY KEY (name)
)",
                boolean = if engine == Engine::Postgres { "boolean" } else { "BOOLEAN" },
            )),
            Step::sql(format!(
                "CREATE TABLE IF NOT EXISTS rylie_alert_deliveries (
    id text NOT NULL,
    alert text NOT NULL,
    target text NOT NULL,
    event text NOT NULL,
    threshold {bigint} NOT NULL,
    value {bigint} NOT NULL,
    created_at {timestamp} NOT NULL,
    attempts {bigint} NOT NULL DEFAULT 0,
    next_attempt {timestamp},
    delivered_at {timestamp},
    error text,
    CONSTRAINT rylie_alert_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT rylie_alert_deliveries_event CHECK (event IN ('crossed', 'recovered'))
)"
            )),
        ];
        steps.extend(TABLES.iter().filter_map(|table| grant(engine, table)));
        steps
    }

    fn down(&self, _engine: Engine) -> Vec<Step> {
        TABLES.iter().rev().map(|table| Step::sql(format!("DROP TABLE IF EXISTS {table}"))).collect()
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}
