//! The index for counting a list by status.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const NAME: &str = "Request_tenantId_status_idx";

pub(crate) struct IndexWhatIsCounted;

impl Migration for IndexWhatIsCounted {
    fn name(&self) -> &'static str {
        "m20261125_000022_index_what_is_counted"
    }

    /// Enum equality is not leak-proof, so it cannot be an index condition under row-level security. It is tested on
    /// the index's columns instead, without reading the table. The few distinct keys keep the index small.
    fn up(&self, engine: Engine) -> Vec<Step> {
        vec![Step::index(engine, NAME, "\"Request\" (\"tenantId\", status, deleted)")]
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        vec![Step::drop_index(engine, NAME)]
    }
}
