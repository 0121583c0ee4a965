//! Many tasks in one call.

use rylie_entities::task::{ActiveModel, Column, Entity};
use rylie_entities::{RequestId, TaskId, TaskStatus};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{ColumnTrait, Condition};

use super::{NewTask, row};
use crate::bulk::Bulk;
use crate::fence::Tx;
use crate::requests;
use crate::{BulkOutcome, Progress, Result};

pub(super) async fn add(tx: &Tx, new: Vec<(RequestId, NewTask)>, progress: Progress) -> Result<BulkOutcome> {
    let mut bulk = Bulk::begin(tx, new, progress).await?;
    while let Some(new) = bulk.next() {
        let asked = new.len();
        let requests = requests::present_among(tx, new.iter().map(|(request, _)| request)).await?;
        let mut rows = Vec::with_capacity(asked);
        for (request, task) in new {
            if let Some(request) = requests.get(&request) {
                rows.push(row(tx, request, task)?);
            }
        }
        let made = rows.len() as u64;
        tx.insert_many::<Entity>(rows).await.map_err(|error| error.reference_is_missing("Request"))?;
        bulk.done(asked, made, made);
    }
    bulk.finish().await
}

pub(super) async fn set_status(
    tx: &Tx,
    ids: Vec<TaskId>,
    status: TaskStatus,
    progress: Progress,
) -> Result<BulkOutcome> {
    let mut bulk = Bulk::on_each(tx, ids, progress).await?;
    while let Some(ids) = bulk.next() {
        let asked = ids.len();
        let these = present_among(tx, ids);
        let changing = these.clone().add(Column::Status.ne(status));
        let (set, expressions) = with_status(tx, status);
        let changed = tx.update_many::<Entity>(set, expressions, changing).await?;
        let all = changed == asked as u64;
        let found = if all { changed } else { tx.rows::<Entity>().filter(these).count().await? };
        bulk.done(asked, found, changed);
    }
    bulk.finish().await
}

/// The first times stay: they are set only where there is none.
fn with_status(tx: &Tx, status: TaskStatus) -> (ActiveModel, Vec<(Column, SimpleExpr)>) {
    let now = tx.now();
    let kept = |column: Column| (column, column.if_null(now));
    let completed_at = if status == TaskStatus::Completed { NotSet } else { Set(None) };
    let set = ActiveModel { status: Set(status), completed_at, updated_at: Set(now), ..Default::default() };
    let kept = match status {
        TaskStatus::InProgress => vec![kept(Column::StartedAt)],
        TaskStatus::Completed => vec![kept(Column::CompletedAt)],
        TaskStatus::Pending | TaskStatus::Cancelled => Vec::new(),
    };
    (set, kept)
}

fn present_among(tx: &Tx, ids: Vec<TaskId>) -> Condition {
    let ids = ids.into_iter().map(|id| id.to_string());
    Condition::all().add(tx.one_of(Column::Id, ids)).add(Column::Deleted.eq(false))
}
