//! Requests of the signed-in user's agency.

use axum::response::Response;
use rylie_axum::{Answer, Paging, PathId, Problem, RequestQuery, TenantRead, TenantWrite};
use rylie_db::prelude::*;
use serde::Deserialize;

pub(crate) async fn list(unit: TenantRead, filter: RequestQuery, paging: Paging) -> Result<Response, Problem> {
    Ok(paging.answer(&unit.requests().list(filter.0, paging.request()).await?))
}

pub(crate) async fn one(unit: TenantRead, PathId(id): PathId<RequestId>) -> Result<Answer, Problem> {
    Ok(Answer::ok(&unit.requests().get_with_tasks(&id).await?)?.with_etag())
}

/// A request and its tasks.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRequestWithTasks {
    request: NewRequest,
    #[serde(default)]
    tasks: Vec<NewTask>,
}

pub(crate) async fn create(write: TenantWrite<NewRequestWithTasks>) -> Result<Answer, Problem> {
    write
        .run(|unit, new| async move {
            let made = unit.requests().add_with_tasks(new.request, new.tasks).await?;
            unit.audit().record(Event::new(Action::RequestCreated).on(&made.request.id)).await?;
            Answer::created(format!("/api/requests/{}", made.request.id), &made)
        })
        .await
}

pub(crate) async fn update(
    PathId(id): PathId<RequestId>,
    write: TenantWrite<RequestChanges>,
) -> Result<Answer, Problem> {
    write
        .run(|unit, changes| async move {
            // The lock first: nothing changes between the comparison and the update.
            unit.requests().get_for_update(&id).await?;
            unit.refuse_changed(&unit.requests().get_with_tasks(&id).await?)?;
            unit.requests().update(&id, changes).await?;
            Ok(Answer::ok(&unit.requests().get_with_tasks(&id).await?)?.with_etag())
        })
        .await
}

/// A status for many requests.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewStatus {
    request_ids: Vec<RequestId>,
    status: RequestStatus,
}

/// Changes the status of all requests or of none.
pub(crate) async fn set_status(write: TenantWrite<NewStatus>) -> Result<Answer, Problem> {
    write
        .run(|unit, new| async move {
            let outcome = unit.requests().set_status_many(&new.request_ids, new.status).await?;
            Answer::ok(&outcome.all_found("Request")?)
        })
        .await
}

pub(crate) async fn remove(PathId(id): PathId<RequestId>, write: TenantWrite) -> Result<Answer, Problem> {
    write
        .run(|unit, ()| async move {
            unit.requests().get_for_update(&id).await?;
            unit.refuse_changed(&unit.requests().get_with_tasks(&id).await?)?;
            unit.requests().remove(&id).await?;
            Ok(Answer::empty())
        })
        .await
}

pub(crate) async fn restore(PathId(id): PathId<RequestId>, write: TenantWrite) -> Result<Answer, Problem> {
    write.run(|unit, ()| async move { Answer::ok(&unit.requests().restore(&id).await?) }).await
}
