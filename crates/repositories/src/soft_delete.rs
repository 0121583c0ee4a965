//! Rows that are soft-deleted, brought back, and removed for good: one, or many in a call. Each is recorded.

use rylie_audit::{Action, Event};
use rylie_entities::{TenantOwned, Timestamp, request, task};
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition};

use crate::audit::AuditRepository;
use crate::bulk::Bulk;
use crate::fence::{Decoded, Tx};
use crate::{BulkOutcome, Progress, Result};

/// A table whose rows are soft-deleted before they are removed for good.
pub(crate) trait SoftDeleted: TenantOwned<ActiveModel: Send, Model: Send + Sync> + Decoded {
    const TABLE: &'static str;
    /// The function of PostgreSQL that reads rows of one tenant by their keys, in a transaction that is its call alone.
    const BY_ID: &'static str;
    const ID: Self::Column;
    const DELETED: Self::Column;
    const DELETED_AT: Self::Column;
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

/// What becomes of rows.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Ending {
    SoftDelete,
    Restore,
    Purge,
}

impl Ending {
    fn action(self) -> Action {
        match self {
            Self::SoftDelete => Action::Deleted,
            Self::Restore => Action::Restored,
            Self::Purge => Action::Purged,
        }
    }
}

impl Tx {
    pub(crate) async fn soft_delete<E: SoftDeleted>(&self, id: &(impl ToString + Sync)) -> Result<()> {
        self.update_one::<E>(marked::<E>(self.now(), true), one::<E>(id, false), E::TABLE).await?;
        self.record(Event::new(Action::Deleted).on(E::TABLE, &id.to_string())).await
    }

    pub(crate) async fn restore_one<E: SoftDeleted>(&self, id: &(impl ToString + Sync)) -> Result<E::Model> {
        let row = self.update_one::<E>(marked::<E>(self.now(), false), one::<E>(id, true), E::TABLE).await?;
        self.record(Event::new(Action::Restored).on(E::TABLE, &id.to_string())).await?;
        Ok(row)
    }

    pub(crate) async fn purge_one<E: SoftDeleted>(&self, id: &(impl ToString + Sync)) -> Result<()> {
        self.administrators_only(PURGE)?;
        self.delete_one::<E>(one::<E>(id, true), E::TABLE).await?;
        self.record(Event::new(Action::Purged).on(E::TABLE, &id.to_string())).await
    }

    /// Soft-deletes rows that are present, or restores or purges soft-deleted ones.
    pub(crate) async fn each<E: SoftDeleted>(
        &self,
        ending: Ending,
        ids: Vec<impl Ord + ToString + Send>,
        progress: Progress,
    ) -> Result<BulkOutcome> {
        if ending == Ending::Purge {
            self.administrators_only(PURGE)?;
        }
        let mut bulk = Bulk::on_each(self, ids, progress).await?;
        while let Some(ids) = bulk.next() {
            let these = among::<E>(self, &ids, ending != Ending::SoftDelete);
            let ended = match ending {
                Ending::Purge => self.delete_returning::<E>(these, E::ID).await?,
                Ending::SoftDelete => self.update_returning::<E>(marked::<E>(self.now(), true), these, E::ID).await?,
                Ending::Restore => self.update_returning::<E>(marked::<E>(self.now(), false), these, E::ID).await?,
            };
            let changed = ended.len() as u64;
            self.record_each(&ending.action(), E::TABLE, ended).await?;
            bulk.done(ids.len(), changed, changed);
        }
        bulk.finish().await
    }
}

const PURGE: &str = "purge soft-deleted rows";

fn marked<E: SoftDeleted>(now: Timestamp, deleted: bool) -> E::ActiveModel {
    let mut set = <E::ActiveModel as ActiveModelTrait>::default();
    set.set(E::DELETED, deleted.into());
    set.set(E::DELETED_AT, deleted.then_some(now).into());
    set.set(E::UPDATED_AT, now.into());
    set
}

pub(crate) fn one<E: SoftDeleted>(id: &impl ToString, deleted: bool) -> Condition {
    Condition::all().add(E::ID.eq(id.to_string())).add(E::DELETED.eq(deleted))
}

/// Those of the named rows that are soft-deleted, or that are not.
pub(crate) fn among<E: SoftDeleted>(tx: &Tx, ids: &[impl ToString], deleted: bool) -> Condition {
    let ids = ids.iter().map(ToString::to_string);
    Condition::all().add(tx.one_of(E::ID, ids)).add(E::DELETED.eq(deleted))
}
