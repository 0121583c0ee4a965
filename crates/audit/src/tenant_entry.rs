//! What a batch says of one tenant.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::encoding::Encoding;
use crate::merkle::leaf_hash;

/// What a batch says of one tenant. These are the leaves of the batch's tree, in the order of the tenants' bytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TenantEntry {
    /// The tenant.
    pub tenant: String,
    /// How many records of the tenant the batch has.
    pub records: u64,
    /// How many records of the tenant were ever sealed, this batch included.
    pub total: u64,
    /// The root over those of the batch.
    pub root: Digest,
}

impl TenantEntry {
    /// The hash of its leaf.
    #[must_use]
    pub fn leaf(&self) -> Digest {
        let bytes = Encoding::of("rylie audit tenant 1").text(&self.tenant).number(self.records).number(self.total);
        leaf_hash(&bytes.raw(&self.root.0).into_bytes())
    }
}
