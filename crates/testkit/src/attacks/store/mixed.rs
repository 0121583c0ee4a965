//! Calls on many rows, some of another tenant: those count as not found, and the others are changed.

use rylie_db::entities::{RequestStatus, TaskStatus, TaskType};
use rylie_db::prelude::{BulkOutcome, NewRequest, NewTask, RequestFilter, RequestId};
use rylie_db::repositories::Error;

use crate::Result;
use crate::attacks::fixture::{Fixture, Side, mapped_to, new_request, whole_list};
use crate::attacks::log::{Log, Seen};

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) {
    log.note("bulk calls on requests skip another tenant's", requests(fixture).await);
    log.note("bulk calls on tasks skip another tenant's", tasks(fixture).await);
    log.note("an upsert skips another tenant's rows", upsert(fixture).await);
    log.note("a row stays in its tenant, whatever ids a call names", moving(fixture).await);
}

/// The result for one own row and one foreign row.
const ONE_OF_TWO: BulkOutcome = BulkOutcome { asked: 2, changed: 1, not_found: 1 };

async fn requests(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, mut seen) = (fixture.attacker.unit().await?, Seen::default());
    let own = unit.requests().add(new_request("mine")).await?.id;
    let (both, requests) = (|foreign: &RequestId| vec![own.clone(), foreign.clone()], unit.requests());
    let (kept, deleted) = (&fixture.victim.request.id, &fixture.victim.deleted_request.id);
    let done = requests.set_status_many(&both(kept), RequestStatus::Cancelled).await?;
    seen.same("requests.set_status_many", &done, &ONE_OF_TWO);
    let done = requests.remove_many(&both(kept)).await?;
    seen.same("requests.remove_many", &done, &ONE_OF_TWO);
    let done = requests.restore_many(&both(deleted)).await?;
    seen.same("requests.restore_many", &done, &ONE_OF_TWO);
    requests.remove(&own).await?;
    let done = requests.purge_many(&both(deleted)).await?;
    seen.same("requests.purge_many", &done, &ONE_OF_TWO);
    let foreign = NewRequest { user: Some(fixture.victim.agency.admin.user.id.clone()), ..new_request("mine") };
    let done = requests.add_many(vec![new_request("mine"), foreign]).await?;
    seen.same("requests.add_many", &done, &ONE_OF_TWO);
    unit.commit().await?;
    Ok(seen)
}

async fn tasks(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, mut seen) = (fixture.attacker.unit().await?, Seen::default());
    let new = || NewTask::new("mine", TaskType::Page);
    let own = unit.tasks().add(&fixture.attacker.request.id, new()).await?.id;
    let (kept, deleted) = (fixture.victim.task.id.clone(), fixture.victim.deleted_task.id.clone());
    let (kept, deleted) = (vec![own.clone(), kept], vec![own.clone(), deleted]);
    let tasks = unit.tasks();
    let done = tasks.set_status_many(&kept, TaskStatus::Completed).await?;
    seen.same("tasks.set_status_many", &done, &ONE_OF_TWO);
    let done = tasks.remove_many(&kept).await?;
    seen.same("tasks.remove_many", &done, &ONE_OF_TWO);
    let done = tasks.restore_many(&deleted).await?;
    seen.same("tasks.restore_many", &done, &ONE_OF_TWO);
    tasks.remove(&own).await?;
    let done = tasks.purge_many(&deleted).await?;
    seen.same("tasks.purge_many", &done, &ONE_OF_TWO);
    let to = |side: &Side<'_>| (side.request.id.clone(), new());
    let done = tasks.add_many(vec![to(&fixture.attacker), to(&fixture.victim)]).await?;
    seen.same("tasks.add_many", &done, &ONE_OF_TWO);
    unit.commit().await?;
    Ok(seen)
}

async fn upsert(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, mut seen) = (fixture.attacker.unit().await?, Seen::default());
    let (own, foreign) = (&fixture.attacker, &fixture.victim);
    let taken = mapped_to(own.request.id.clone(), &foreign.mapping.seoworks_task_id);
    let kept = mapped_to(own.request.id.clone(), &own.mapping.seoworks_task_id);
    let done = unit.seoworks_mappings().save_many(vec![kept.clone(), taken]).await?;
    seen.same("a task that another tenant has", &done, &ONE_OF_TWO);
    let elsewhere = mapped_to(foreign.request.id.clone(), "mine");
    let done = unit.seoworks_mappings().save_many(vec![kept, elsewhere]).await?;
    seen.same("a request that another tenant has", &done, &ONE_OF_TWO);
    unit.commit().await?;
    Ok(seen)
}

async fn moving(fixture: &Fixture<'_>) -> Result<Seen> {
    let (unit, mut seen) = (fixture.attacker.unit().await?, Seen::default());
    let given = || NewRequest { user: Some(fixture.victim.agency.admin.user.id.clone()), ..new_request("mine") };
    let made = unit.requests().add(given()).await;
    seen.unless(is_missing(&made), "a request was made in the name of another tenant's user");
    let made = unit.requests().add_with_tasks(given(), vec![NewTask::new("mine", TaskType::Page)]).await;
    seen.unless(is_missing(&made), "… and one with tasks");
    unit.commit().await?;
    let victims = fixture.victim.unit().await?.requests().list(RequestFilter::default(), whole_list()).await?;
    let planted = victims.items.iter().filter(|request| request.title == "mine").count();
    seen.same("requests by the attacker among the victim's", &planted, &0);
    Ok(seen)
}

fn is_missing<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::NotFound { .. }))
}
