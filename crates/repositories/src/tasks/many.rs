//! Bulk calls on tasks.

use std::collections::HashMap;

use rylie_entities::task::{ActiveModel, Column, Entity};
use rylie_entities::{RequestId, TaskId, TaskStatus};
use rylie_tenancy::{Bulk, Change, change_many};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::SimpleExpr;

use super::{NewTask, Parent, row};
use crate::requests::present_among;
use crate::tx::Tx;
use crate::{BulkOutcome, Result};

pub(super) async fn add(tx: &Tx, new: Vec<(RequestId, NewTask)>) -> Result<BulkOutcome> {
    let mut bulk = Bulk::begin(tx, new).await?;
    while let Some(new) = bulk.next() {
        let asked = new.len();
        let parents = present_among(tx, new.iter().map(|(request, _)| request));
        let parents = parents.all_as::<Parent>().await?;
        let parents: HashMap<_, _> = parents.iter().map(|parent| (&parent.id, parent)).collect();
        let mut rows = Vec::with_capacity(asked);
        for (request, task) in new {
            if let Some(parent) = parents.get(&request) {
                rows.push(row(tx, parent, task)?);
            }
        }
        let made = rows.len() as u64;
        tx.insert_many::<Entity>(rows).await.map_err(|error| error.reference_is_missing("Request"))?;
        bulk.done(asked, made, made);
    }
    bulk.finish().await
}

pub(super) async fn set_status(tx: &Tx, ids: &[TaskId], status: TaskStatus) -> Result<BulkOutcome> {
    let (set, expressions) = with_status(tx, status);
    let change = Change { set, expressions, changing: Column::Status.ne(status) };
    change_many::<Entity>(tx, ids, change).await
}

/// Sets the start and completion times only where they are not set yet.
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
