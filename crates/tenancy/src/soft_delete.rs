//! Soft-deletes, restores and purges rows, one or many per call. Each is recorded.

use std::fmt::Display;

use rylie_audit::{Action, Event};
use rylie_entities::{Keyed, Timestamp};
use sea_orm::ActiveModelTrait;

use crate::bulk::{Bulk, BulkOutcome};
use crate::error::Result;
use crate::filter::Tx;
use crate::soft_deleted::{among, one};

/// An operation on soft-deletable rows.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum SoftDeleteOp {
    /// Marks the rows as deleted; they can be restored.
    SoftDelete,
    /// Restores soft-deleted rows.
    Restore,
    /// Removes soft-deleted rows for good.
    Purge,
}

impl SoftDeleteOp {
    fn action(self) -> Action {
        match self {
            Self::SoftDelete => Action::Deleted,
            Self::Restore => Action::Restored,
            Self::Purge => Action::Purged,
        }
    }
}

impl Tx {
    /// Soft-deletes a row that is not deleted.
    pub async fn soft_delete<E: Keyed>(&self, id: &(impl ToString + Sync)) -> Result<()> {
        self.update_one::<E>(marked::<E>(self.now(), true), one::<E>(id, false), E::TABLE).await?;
        self.record(Event::new(Action::Deleted).on_row(E::TABLE, &id.to_string())).await
    }

    /// Restores a soft-deleted row.
    pub async fn restore_one<E: Keyed>(&self, id: &(impl ToString + Sync)) -> Result<E::Model> {
        let row = self.update_one::<E>(marked::<E>(self.now(), false), one::<E>(id, true), E::TABLE).await?;
        self.record(Event::new(Action::Restored).on_row(E::TABLE, &id.to_string())).await?;
        Ok(row)
    }

    /// Removes a soft-deleted row for good.
    pub async fn purge_one<E: Keyed>(&self, id: &(impl ToString + Sync)) -> Result<()> {
        self.administrators_only(PURGE)?;
        self.delete_one::<E>(one::<E>(id, true), E::TABLE).await?;
        self.record(Event::new(Action::Purged).on_row(E::TABLE, &id.to_string())).await
    }

    /// Soft-deletes rows, or restores or purges soft-deleted ones.
    pub async fn apply_many<E: Keyed>(
        &self,
        op: SoftDeleteOp,
        ids: &[impl Ord + Display + Sync],
    ) -> Result<BulkOutcome> {
        if op == SoftDeleteOp::Purge {
            self.administrators_only(PURGE)?;
        }
        let mut bulk = Bulk::on_each(self, ids).await?;
        while let Some(ids) = bulk.next() {
            let these = among::<E>(self, &ids, op != SoftDeleteOp::SoftDelete);
            let ended = match op {
                SoftDeleteOp::Purge => self.delete_returning::<E>(these, E::ID).await?,
                SoftDeleteOp::SoftDelete => {
                    self.update_returning::<E>(marked::<E>(self.now(), true), these, E::ID).await?
                }
                SoftDeleteOp::Restore => {
                    self.update_returning::<E>(marked::<E>(self.now(), false), these, E::ID).await?
                }
            };
            let changed = ended.len() as u64;
            self.record_each(&op.action(), E::TABLE, ended).await?;
            bulk.done(ids.len(), changed, changed);
        }
        bulk.finish().await
    }
}

const PURGE: &str = "purge soft-deleted rows";

fn marked<E: Keyed>(now: Timestamp, deleted: bool) -> E::ActiveModel {
    let mut set = <E::ActiveModel as ActiveModelTrait>::default();
    if let Some(soft) = E::SOFT {
        set.set(soft.deleted, deleted.into());
        set.set(soft.deleted_at, deleted.then_some(now).into());
    }
    if let Some(updated_at) = E::UPDATED_AT {
        set.set(updated_at, now.into());
    }
    set
}
