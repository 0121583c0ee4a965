//! Tables whose rows are found by a key, and soft-deleted.

use super::Decoded;
use crate::TenantOwned;

/// A tenant's table with a text key.
pub trait Keyed: TenantOwned + Decoded {
    /// The table's name.
    const TABLE: &'static str;
    /// The PostgreSQL function that reads a tenant's rows by key. Its call is the whole transaction.
    const BY_ID: Option<&'static str>;
    /// The primary key.
    const ID: Self::Column;
    /// The columns of soft delete; `None` for a table whose rows are removed at once.
    const SOFT: Option<SoftDelete<Self::Column>>;
    /// The time of the last change, if the table has it.
    const UPDATED_AT: Option<Self::Column>;
}

/// The columns of soft delete.
#[derive(Clone, Copy, Debug)]
pub struct SoftDelete<C> {
    /// Whether a row is soft-deleted.
    pub deleted: C,
    /// The time of the soft delete.
    pub deleted_at: C,
}

/// A table whose rows are soft-deleted before they are purged.
pub trait SoftDeleted: Keyed {}
