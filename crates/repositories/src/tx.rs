//! A unit of the platform.

use std::ops::Deref;
use std::sync::Arc;

use crate::secrets::Keys;
use crate::usage::Quotas;
use crate::{Error, LogPosition, Result};

/// A unit of work with the context that the platform's repositories need. It implements all of them.
pub(crate) struct Tx {
    unit: rylie_tenancy::Tx,
    unit_context: UnitContext,
}

/// The context that a store gives to each of its units.
#[derive(Clone)]
pub(crate) struct UnitContext {
    pub(crate) keys: Option<Arc<Keys>>,
    /// Whether the old service works on the same database and reads what this one writes.
    pub(crate) shared_with_old_service: bool,
    pub(crate) quotas: Quotas,
}

impl Tx {
    pub(crate) fn new(unit: rylie_tenancy::Tx, unit_context: UnitContext) -> Self {
        Self { unit, unit_context }
    }

    /// Returns the unit without its context.
    pub(crate) fn into_inner(self) -> rylie_tenancy::Tx {
        self.unit
    }

    pub(crate) async fn commit(self) -> Result<()> {
        self.unit.commit().await
    }

    pub(crate) async fn commit_with_position(self) -> Result<LogPosition> {
        self.unit.commit_with_position().await
    }

    pub(crate) fn keys(&self) -> Result<&Keys> {
        self.optional_keys().ok_or(Error::NoKeyring)
    }

    pub(crate) fn optional_keys(&self) -> Option<&Keys> {
        self.unit_context.keys.as_deref()
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.unit_context.quotas
    }

    pub(crate) fn is_shared_with_old_service(&self) -> bool {
        self.unit_context.shared_with_old_service
    }
}

impl Deref for Tx {
    type Target = rylie_tenancy::Tx;

    fn deref(&self) -> &rylie_tenancy::Tx {
        &self.unit
    }
}
