//! The entry of a tenant in a batch.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::encoding::Encoding;
use crate::merkle::leaf_hash;

/// The entry of a tenant in a batch. The entries are the leaves of the batch's tree, ordered by the bytes of the
/// tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantEntry {
    /// The tenant.
    pub tenant: String,
    /// The number of the tenant's records in the batch.
    pub records: u64,
    /// The number of the tenant's records ever sealed, including this batch.
    pub total: u64,
    /// The root over its records in the batch.
    pub root: Digest,
}

impl TenantEntry {
    /// Returns the hash of its leaf.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        let bytes = Encoding::of("rylie audit tenant 1").text(&self.tenant).number(self.records).number(self.total);
        leaf_hash(&bytes.raw(&self.root.0).into_bytes())
    }
}
