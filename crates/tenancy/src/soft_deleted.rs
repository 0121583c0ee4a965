//! Tables with soft-deletable rows.

use rylie_entities::{TenantOwned, request, task};
use sea_orm::{ColumnTrait, Condition};

use crate::filter::{Decoded, Tx};

/// A table whose rows are soft-deleted before they are purged.
pub trait SoftDeleted: TenantOwned + Decoded {
    /// Its name.
    const TABLE: &'static str;
    /// The PostgreSQL function that reads a tenant's rows by key. Its call is the whole transaction.
    const BY_ID: &'static str;
    /// The primary key.
    const ID: Self::Column;
    /// Whether a row is soft-deleted.
    const DELETED: Self::Column;
    /// The time of the soft delete.
    const DELETED_AT: Self::Column;
    /// The time of the last change.
    const UPDATED_AT: Self::Column;
}

macro_rules! soft_deleted {
    ($($table:ident = $name:literal by $function:literal),+) => {
        $(impl SoftDeleted for $table::Entity {
            const TABLE: &'static str = $name;
            const BY_ID: &'static str = $function;
            const ID: Self::Column = $table::Column::Id;
            const DELETED: Self::Column = $table::Column::Deleted;
            const DELETED_AT: Self::Column = $table::Column::DeletedAt;
            const UPDATED_AT: Self::Column = $table::Column::UpdatedAt;
        })+
    };
}
soft_deleted!(request = "Request" by "public.rylie_requests_by_id", task = "Task" by "public.rylie_tasks_by_id");

pub(crate) fn one<E: SoftDeleted>(id: &impl ToString, deleted: bool) -> Condition {
    Condition::all().add(E::ID.eq(id.to_string())).add(E::DELETED.eq(deleted))
}

/// Returns the condition for the rows with these ids that are, or are not, soft-deleted.
pub(crate) fn among<E: SoftDeleted>(tx: &Tx, ids: &[impl ToString], deleted: bool) -> Condition {
    let ids = ids.iter().map(ToString::to_string);
    Condition::all().add(tx.one_of(E::ID, ids)).add(E::DELETED.eq(deleted))
}
