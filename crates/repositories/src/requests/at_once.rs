//! Creates a request in a unit of its own, on PostgreSQL in one round trip.

use rylie_audit::{Action, Event};
use rylie_entities::request::Entity;
use rylie_entities::{RequestId, task};
use sea_orm::ActiveValue::Set;
use sea_orm::DbBackend;

use super::{NewRequest, RequestWithTasks, made, rows};
use crate::Result;
use crate::tasks::NewTask;
use crate::tx::Tx;
use crate::unit::TenantUnit;

/// The function of the migration `m20261128_000082`.
const ADD_AT_ONCE: &str = "rylie_add_request";

/// Creates a request and its tasks, records it if asked, and commits. One statement for each.
pub(crate) async fn add_in_unit(
    unit: Box<dyn TenantUnit>,
    new: NewRequest,
    tasks: Vec<NewTask>,
    recorded: bool,
) -> Result<RequestWithTasks> {
    let made = unit.requests().add_with_tasks(new, tasks).await?;
    if recorded {
        unit.audit().record(created(&made.request.id)).await?;
    }
    unit.commit().await?;
    Ok(made)
}

fn created(id: &RequestId) -> Event {
    Event::new(Action::RequestCreated).on(id)
}

/// Does the same in one round trip, on PostgreSQL.
pub(crate) async fn add_and_commit(
    unit: Tx,
    new: NewRequest,
    tasks: Vec<NewTask>,
    recorded: bool,
) -> Result<RequestWithTasks> {
    let Some(scope) = unit.scope().filter(|_| unit.engine() == DbBackend::Postgres).cloned() else {
        return add_in_unit(Box::new(unit), new, tasks, recorded).await;
    };
    let user = unit.user_or_own(new.user.as_ref())?;
    let (request, tasks) = rows(&unit, new, tasks, &user, scope.user().agency())?;
    let event = match &request.id {
        Set(id) if recorded => Some(created(id)),
        _ => None,
    };
    let rows = (&request, &*tasks);
    let adding =
        unit.into_inner().insert_for_and_commit::<Entity, task::Entity>(ADD_AT_ONCE, &scope, &user, rows, event);
    let user = adding.await?;
    made(request, Some(user), tasks)
}
