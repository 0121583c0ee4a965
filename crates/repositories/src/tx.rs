//! A unit of the platform.

use std::ops::Deref;

use rylie_entities::RepositoryTable;
use rylie_tenancy::Table;

use crate::own::{OwnSchema, OwnTables};
use crate::secrets::Keys;
use crate::unit_context::UnitContext;
use crate::usage::Quotas;
use crate::{Error, Result};

/// A unit of work with the context that the platform's repositories need. It implements all of them.
pub(crate) struct Tx {
    own: OwnTables,
}

impl Tx {
    pub(crate) fn new(unit: rylie_tenancy::Tx, unit_context: UnitContext) -> Self {
        Self { own: OwnTables::new(unit, unit_context) }
    }

    /// Returns the unit without its context.
    pub(crate) fn into_inner(self) -> rylie_tenancy::Tx {
        self.own.unit
    }

    pub(crate) fn keys(&self) -> Result<&Keys> {
        self.optional_keys().ok_or(Error::NoKeyring)
    }

    pub(crate) fn optional_keys(&self) -> Option<&Keys> {
        self.own.unit_context.keys.as_deref()
    }

    pub(crate) fn quotas(&self) -> &Quotas {
        &self.own.unit_context.quotas
    }

    /// Begins a call on a table of the platform, as [`OwnTables::of`] does on a service's.
    pub(crate) fn of<E: RepositoryTable>(&self) -> Table<'_, E> {
        Table::new(&self.own.unit, true)
    }

    pub(crate) fn own_tables(&self) -> &OwnTables {
        &self.own
    }

    pub(crate) fn own_schema(&self) -> &OwnSchema {
        &self.own.unit_context.own
    }

    pub(crate) fn is_shared_with_old_service(&self) -> bool {
        self.own.unit_context.shared_with_old_service
    }
}

impl Deref for Tx {
    type Target = rylie_tenancy::Tx;

    fn deref(&self) -> &rylie_tenancy::Tx {
        &self.own.unit
    }
}
