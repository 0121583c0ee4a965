//! Requests that are not soft-deleted.

use std::collections::BTreeSet;

use rylie_entities::RequestId;
use rylie_entities::request::{Column, Entity};
use rylie_tenancy::Rows;
use sea_orm::{ColumnTrait, Condition};

use crate::tx::Tx;

/// Returns those of the requests that this unit reaches.
pub(crate) fn present_among<'tx, 'id>(tx: &'tx Tx, ids: impl Iterator<Item = &'id RequestId>) -> Rows<'tx, Entity> {
    let named: BTreeSet<_> = ids.map(ToString::to_string).collect();
    tx.rows::<Entity>().filter(Condition::all().add(tx.one_of(Column::Id, named)).add(Column::Deleted.eq(false)))
}
