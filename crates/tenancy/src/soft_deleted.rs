//! Conditions on rows by their keys.

use rylie_entities::Keyed;
use sea_orm::{ColumnTrait, Condition};

use crate::filter::Tx;

pub(crate) fn one<E: Keyed>(id: &impl ToString, deleted: bool) -> Condition {
    Condition::all().add(E::ID.eq(id.to_string())).add_option(is_deleted::<E>(deleted))
}

/// Returns the condition for the rows with these ids that are, or are not, soft-deleted.
pub(crate) fn among<E: Keyed>(tx: &Tx, ids: &[impl ToString], deleted: bool) -> Condition {
    let ids = ids.iter().map(ToString::to_string);
    Condition::all().add(tx.one_of(E::ID, ids)).add_option(is_deleted::<E>(deleted))
}

/// Returns the condition that a row is, or is not, soft-deleted; `None` where rows are removed at once.
pub(crate) fn is_deleted<E: Keyed>(deleted: bool) -> Option<sea_orm::sea_query::SimpleExpr> {
    E::SOFT.map(|soft| soft.deleted.eq(deleted))
}
