//! Changes of a request's status.

use rylie_audit::{Action, Event};
use rylie_entities::request::{ActiveModel, Column, Entity};
use rylie_entities::{Request, RequestId, RequestStatus};
use rylie_tenancy::WritingFunction;
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use super::RequestRepository;
use crate::Result;
use crate::tx::Tx;
use crate::unit::TenantUnit;

/// The function of the migration `m20261128_000087`.
const SET_AT_ONCE: &str = "rylie_set_request_status";

pub(super) fn with_status(tx: &Tx, status: RequestStatus) -> ActiveModel {
    let now = tx.now();
    ActiveModel {
        status: Set(status),
        completed_at: Set((status == RequestStatus::Completed).then_some(now)),
        updated_at: Set(now),
        ..Default::default()
    }
}

pub(super) async fn set_status_recorded(tx: &Tx, id: &RequestId, status: RequestStatus) -> Result<Request> {
    let present = Condition::all().add(Column::Id.eq(id)).add(Column::Deleted.eq(false));
    let changing = present.add(Column::Status.ne(status));
    match tx.update_recorded::<Entity>(with_status(tx, status), changing, changed(id, status)).await?.pop() {
        Some(request) => Ok(request),
        None => tx.get(id).await,
    }
}

fn changed(id: &RequestId, status: RequestStatus) -> Event {
    Event::new(Action::RequestStatusChanged).on(id).with("status", status)
}

/// Changes the status, records it and commits.
pub(crate) async fn set_status_in_unit(
    unit: Box<dyn TenantUnit>,
    id: &RequestId,
    status: RequestStatus,
) -> Result<Request> {
    let request = unit.requests().set_status_recorded(id, status).await?;
    unit.commit().await?;
    Ok(request)
}

/// Does the same in one round trip, on PostgreSQL.
pub(crate) async fn set_status_and_commit(unit: Tx, id: &RequestId, status: RequestStatus) -> Result<Request> {
    let Some(scope) = unit.scope().filter(|_| unit.writes_alone(WritingFunction::SetStatus)).cloned() else {
        return set_status_in_unit(Box::new(unit), id, status).await;
    };
    let state = status.to_string();
    let event = changed(id, status);
    let request = unit.set_state_of::<Entity>(SET_AT_ONCE, &scope, (id.as_str(), &state), &event).await?;
    unit.into_inner().commit().await?;
    Ok(request)
}
