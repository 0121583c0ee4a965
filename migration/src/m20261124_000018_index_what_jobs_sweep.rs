//! What the jobs look for, across tenants and by time: without these each batch would read the whole table again.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const INDEXES: [(&str, &str); 3] = [
    // Billing periods that have ended; the conditions are those of the job.
    (
        "User_period_end_idx",
        "\"User\" (\"currentBillingPeriodEnd\", id) \
         WHERE \"activePackageType\" IS NOT NULL AND \"currentBillingPeriodStart\" IS NOT NULL",
    ),
    // What was soft-deleted, which is little beside the rest.
    ("Request_deletedAt_idx", "\"Request\" (\"deletedAt\") WHERE deleted"),
    ("Task_deletedAt_idx", "\"Task\" (\"deletedAt\") WHERE deleted"),
];

pub(crate) struct IndexWhatJobsSweep;

impl Migration for IndexWhatJobsSweep {
    fn name(&self) -> &'static str {
        "m20261124_000018_index_what_jobs_sweep"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        INDEXES.iter().map(|(name, on)| Step::index(engine, name, on)).collect()
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        INDEXES.iter().map(|(name, _)| Step::drop_index(engine, name)).collect()
    }
}
