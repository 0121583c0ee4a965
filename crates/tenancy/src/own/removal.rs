//! Removes, restores and purges rows, one or many per call. Each is recorded.

use rylie_audit::{Action, Event};
use rylie_entities::{RepositoryTable, SoftDeleted};
use sea_orm::ActiveModelTrait;

use super::{Table, fill};
use crate::bulk::{Bulk, BulkOutcome};
use crate::error::{Error, Result};
use crate::soft_deleted::{among, one};

impl<E: RepositoryTable> Table<'_, E> {
    /// Removes the row with this id: soft-deletes it, or deletes it where the table has no soft delete. Recorded. A soft
    /// delete is one statement on PostgreSQL, anything else two.
    ///
    /// Fails with [`Error::NotFound`](crate::Error::NotFound) if there is no such row within reach, or if it is already
    /// soft-deleted. Fails with [`Error::Invalid`](crate::Error::Invalid) for a table whose rows are only added.
    pub async fn remove(self, id: &E::Id) -> Result<()> {
        self.whole()?;
        fill::refuse_append_only::<E>()?;
        if E::SOFT.is_some() {
            return self.mark(true, Action::Deleted, id).await.map(drop);
        }
        self.tx.delete_one::<E>(one::<E>(id, false), E::TABLE).await?;
        self.tx.record(of_row::<E>(Action::Deleted, id)).await
    }

    /// As [`remove`](Self::remove), for any number of rows, all or none. Each is recorded. Fails with
    /// [`Error::Invalid`](crate::Error::Invalid) for a table whose rows are only added.
    pub async fn remove_many(self, ids: &[E::Id]) -> Result<BulkOutcome> {
        self.whole()?;
        fill::refuse_append_only::<E>()?;
        let mark = E::SOFT.map(|_| self.marked(true));
        self.end(&Action::Deleted, ids, false, mark).await
    }

    /// Changes the rows that are, or are not, soft-deleted; deletes them without a change.
    async fn end(
        self,
        action: &Action,
        ids: &[E::Id],
        deleted: bool,
        set: Option<E::ActiveModel>,
    ) -> Result<BulkOutcome> {
        let mut bulk = Bulk::on_each(self.tx, ids).await?;
        while let Some(ids) = bulk.next() {
            let these = among::<E>(self.tx, &ids, deleted);
            let ended = match &set {
                Some(set) => self.tx.update_returning::<E>(set.clone(), these, E::ID).await?,
                None => self.tx.delete_returning::<E>(these, E::ID).await?,
            };
            let changed = ended.len() as u64;
            self.tx.record_each(action, E::TABLE, ended).await?;
            bulk.done(ids.len(), changed, changed);
        }
        bulk.finish().await
    }

    /// Marks the row as soft-deleted or not, and records that.
    async fn mark(&self, deleted: bool, action: Action, id: &E::Id) -> Result<E::Model> {
        let event = of_row::<E>(action, id);
        let marked = self.tx.update_recorded::<E>(self.marked(deleted), one::<E>(id, !deleted), event).await?;
        marked.into_iter().next().ok_or(Error::NotFound { entity: E::TABLE })
    }

    fn marked(&self, deleted: bool) -> E::ActiveModel {
        let (mut set, now) = (<E::ActiveModel as ActiveModelTrait>::default(), self.tx.now());
        if let Some(soft) = E::SOFT {
            set.set(soft.deleted, deleted.into());
            set.set(soft.deleted_at, deleted.then_some(now).into());
        }
        if let Some(updated_at) = E::UPDATED_AT {
            set.set(updated_at, now.into());
        }
        set
    }
}

fn of_row<E: RepositoryTable>(action: Action, id: &E::Id) -> Event {
    Event::new(action).on_row(E::TABLE, &id.to_string())
}

const PURGE: &str = "purge soft-deleted rows";

impl<E: RepositoryTable + SoftDeleted> Table<'_, E> {
    /// Restores a soft-deleted row. Recorded. One statement on PostgreSQL, else two. Fails with [`Error::NotFound`](crate::Error::NotFound) if
    /// it is not soft-deleted or not within reach.
    pub async fn restore(self, id: &E::Id) -> Result<E::Model> {
        self.whole()?;
        self.mark(false, Action::Restored, id).await
    }

    /// Deletes a soft-deleted row permanently. Recorded. Two statements. Administrators only: fails with
    /// [`Error::Forbidden`](crate::Error::Forbidden) for a scope that reaches only its own rows. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) if it is not soft-deleted or not within reach.
    pub async fn purge(self, id: &E::Id) -> Result<()> {
        self.whole()?;
        self.tx.administrators_only(PURGE)?;
        self.tx.delete_one::<E>(one::<E>(id, true), E::TABLE).await?;
        self.tx.record(of_row::<E>(Action::Purged, id)).await
    }

    /// As [`restore`](Self::restore), for any number of rows, all or none.
    pub async fn restore_many(self, ids: &[E::Id]) -> Result<BulkOutcome> {
        self.whole()?;
        let mark = self.marked(false);
        self.end(&Action::Restored, ids, true, Some(mark)).await
    }

    /// As [`purge`](Self::purge), for any number of rows, all or none. Fails with
    /// [`Error::Forbidden`](crate::Error::Forbidden) for a scope that reaches only its own rows.
    pub async fn purge_many(self, ids: &[E::Id]) -> Result<BulkOutcome> {
        self.whole()?;
        self.tx.administrators_only(PURGE)?;
        self.end(&Action::Purged, ids, true, None).await
    }
}
