//! Many soft-deletable rows in one call: marked as deleted, brought back, removed for good.

use std::fmt::Display;

use rylie_audit::Action;
use rylie_entities::TenantOwned;
use sea_orm::{ColumnTrait, Condition};

use crate::bulk::Bulk;
use crate::fence::Tx;
use crate::{BulkOutcome, Progress, Result};

/// A table whose rows are first marked as deleted.
pub(crate) trait SoftDeletable: TenantOwned<ActiveModel: Send> {
    /// As errors and the audit log name a row.
    const NAME: &'static str;
    const ID: Self::Column;
    const DELETED: Self::Column;

    /// What marks a row as deleted now, or as there again.
    fn marked(tx: &Tx, deleted: bool) -> Self::ActiveModel;
}

pub(crate) async fn remove<E: SoftDeletable>(
    tx: &Tx,
    ids: Vec<impl Ord + Display + Send>,
    progress: Progress,
) -> Result<BulkOutcome> {
    mark::<E>(tx, ids, true, progress).await
}

pub(crate) async fn restore<E: SoftDeletable>(
    tx: &Tx,
    ids: Vec<impl Ord + Display + Send>,
    progress: Progress,
) -> Result<BulkOutcome> {
    mark::<E>(tx, ids, false, progress).await
}

async fn mark<E: SoftDeletable>(
    tx: &Tx,
    ids: Vec<impl Ord + Display + Send>,
    deleted: bool,
    progress: Progress,
) -> Result<BulkOutcome> {
    let action = if deleted { Action::Deleted } else { Action::Restored };
    let mut bulk = Bulk::on_each(tx, ids, progress).await?;
    while let Some(ids) = bulk.next() {
        let asked = ids.len();
        let these = among::<E>(tx, ids, !deleted);
        let marked = tx.update_returning::<E>(E::marked(tx, deleted), these, E::ID).await?;
        let changed = marked.len() as u64;
        tx.record_each(&action, E::NAME, marked).await?;
        bulk.done(asked, changed, changed);
    }
    bulk.finish().await
}

pub(crate) async fn purge<E: SoftDeletable>(
    tx: &Tx,
    ids: Vec<impl Ord + Display + Send>,
    progress: Progress,
) -> Result<BulkOutcome> {
    tx.administrators_only("purge soft-deleted rows")?;
    let mut bulk = Bulk::on_each(tx, ids, progress).await?;
    while let Some(ids) = bulk.next() {
        let asked = ids.len();
        let purged = tx.delete_returning::<E>(among::<E>(tx, ids, true), E::ID).await?;
        let changed = purged.len() as u64;
        tx.record_each(&Action::Purged, E::NAME, purged).await?;
        bulk.done(asked, changed, changed);
    }
    bulk.finish().await
}

fn among<E: SoftDeletable>(tx: &Tx, ids: Vec<impl Display>, deleted: bool) -> Condition {
    let ids = ids.into_iter().map(|id| id.to_string());
    Condition::all().add(tx.one_of(E::ID, ids)).add(E::DELETED.eq(deleted))
}
