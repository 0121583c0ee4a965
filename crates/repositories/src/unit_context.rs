//! What a unit knows in addition to its transaction.

use std::sync::Arc;

use crate::own::OwnSchema;
use crate::secrets::Keys;
use crate::usage::Quotas;

/// The context that a store gives to each of its units.
#[derive(Clone)]
pub(crate) struct UnitContext {
    pub(crate) keys: Option<Arc<Keys>>,
    /// Whether the old service works on the same database and reads what this one writes.
    pub(crate) shared_with_old_service: bool,
    pub(crate) quotas: Quotas,
    /// The service's own tables.
    pub(crate) own: Arc<OwnSchema>,
}
