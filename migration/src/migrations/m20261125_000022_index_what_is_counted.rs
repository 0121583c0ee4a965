//! What the total of a list by status is counted from.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

const NAME: &str = "Request_tenantId_status_idx";

pub(crate) struct IndexWhatIsCounted;

impl Migration for IndexWhatIsCounted {
    fn name(&self) -> &'static str {
        "m20261125_000022_index_what_is_counted"
    }

    /// Under row-level security the equality of an enum cannot be a condition of an index, as it is not leak-proof: there it
    /// is tested on what the index holds, and the table need not be read. Few different keys make it small.
    fn up(&self, engine: Engine) -> Vec<Step> {
        vec![Step::index(engine, NAME, "\"Request\" (\"tenantId\", status, deleted)")]
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        vec![Step::drop_index(engine, NAME)]
    }
}
