//! Creates a request in a unit of its own, on PostgreSQL in one round trip.

use rylie_audit::{Action, Event};
use rylie_entities::request::Entity;
use rylie_entities::{RequestId, task};
use sea_orm::DbBackend;

use super::{NewRequest, RequestRepository, RequestWithTasks, made, rows};
use crate::Result;
use crate::tasks::NewTask;
use crate::tx::Tx;

/// The function of the migration `m20261128_000082`.
const ADD_AT_ONCE: &str = "rylie_add_request";

/// Creates a request and its tasks in a unit of its own, records it if asked, and commits.
pub(crate) async fn add_and_commit(
    unit: Tx,
    new: NewRequest,
    tasks: Vec<NewTask>,
    recorded: bool,
) -> Result<RequestWithTasks> {
    let created = |id: &RequestId| recorded.then(|| Event::new(Action::RequestCreated).on(id));
    let Some(scope) = unit.scope().filter(|_| unit.engine() == DbBackend::Postgres).cloned() else {
        let made = RequestRepository::add_with_tasks(&unit, new, tasks).await?;
        if let Some(event) = created(&made.request.id) {
            unit.record(event).await?;
        }
        unit.into_inner().commit().await?;
        return Ok(made);
    };
    let user = unit.user_or_own(new.user.as_ref())?;
    let (request, tasks) = rows(&unit, new, tasks, &user, scope.user().agency())?;
    let made = made(request.clone(), None, tasks.clone())?;
    let (unit, event) = (unit.into_inner(), created(&made.request.id));
    let adding = unit.insert_for_and_commit::<Entity, task::Entity>(ADD_AT_ONCE, &scope, &user, request, tasks, event);
    Ok(RequestWithTasks { user: Some(adding.await?), ..made })
}
