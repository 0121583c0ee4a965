//! What the purge looks for, across tenants and by time: without these each batch would read the whole table again.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// What was soft-deleted is little beside the rest. Users are walked by id instead: an index on the end of their billing
/// period would make each closing write every index of the user anew.
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
