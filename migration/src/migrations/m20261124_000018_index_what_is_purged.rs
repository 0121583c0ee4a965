//! Indexes for the purge, across tenants and by time. Without them each batch would read the whole table.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// Soft-deleted rows are few. Users are read by id instead: with an index on the end of their billing period, closing a
/// period would write every index of the user.
const INDEXES: [(&str, &str); 2] = [
    ("Request_deletedAt_idx", "\"Request\" (\"deletedAt\") WHERE deleted"),
    ("Task_deletedAt_idx", "\"Task\" (\"deletedAt\") WHERE deleted"),
];

pub(crate) struct IndexWhatIsPurged;

impl Migration for IndexWhatIsPurged {
    fn name(&self) -> &'static str {
        "m20261124_000018_index_what_is_purged"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        INDEXES.iter().map(|(name, on)| Step::index(engine, name, on)).collect()
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        INDEXES.iter().map(|(name, _)| Step::drop_index(engine, name)).collect()
    }
}
