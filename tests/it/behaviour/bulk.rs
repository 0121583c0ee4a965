//! Calls on many rows.

use std::sync::{Arc, Mutex};

use rylie_db::entities::{RequestStatus, TaskStatus};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, NewSeoWorksMapping};
use sea_orm::ConnectionTrait;

use super::world;
use crate::support::rows::{add_requests, beside, ids, is_sqlite};

fn new(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

fn outcome(asked: u64, changed: u64, not_found: u64) -> BulkOutcome {
    BulkOutcome { asked, changed, not_found }
}

async fn total(unit: &dyn TenantUnit, status: RequestStatus) -> u64 {
    let filter = RequestFilter { status: Some(status), ..Default::default() };
    unit.requests().list(filter, PageRequest::new(1, 0)).await.unwrap().total
}

#[tokio::test]
async fn the_counts_report_what_changed_and_what_was_not_found() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (one, two, done) =
        (ours.request().await.unwrap(), ours.request().await.unwrap(), ours.request().await.unwrap());
    let foreign = theirs.request().await.unwrap();
    let unit = ours.unit().await.unwrap();
    unit.requests().set_status(&done.id, RequestStatus::Completed).await.unwrap();

    let missing = "no-such-request".parse().unwrap();
    let asked = vec![one.id.clone(), two.id.clone(), one.id.clone(), done.id, foreign.id.clone(), missing];
    let status = RequestStatus::Completed;
    let changed = unit.requests().set_status_many(&asked, status).await.unwrap();

    assert_eq!(changed, outcome(5, 2, 2), "one is named twice, one was completed before");
    assert!(matches!(changed.all_found("Request"), Err(Error::NotFound { .. })));
    assert!(unit.requests().get(&one.id).await.unwrap().completed_at.is_some());
    let removed = unit.requests().remove_many(&asked).await.unwrap();
    assert_eq!(removed, outcome(5, 3, 2));
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();
    assert_eq!(unit.requests().get(&foreign.id).await.unwrap(), foreign);
    drop(unit);
    let unit = ours.unit().await.unwrap();
    for removed in [&one, &two] {
        let filter = AuditFilter {
            action: Some("DELETED".into()),
            resource_id: Some(removed.id.to_string()),
            ..Default::default()
        };
        assert_eq!(unit.audit().list(filter, PageRequest::default()).await.unwrap().total, 1);
    }
}

#[tokio::test]
async fn a_plain_user_changes_the_own_rows_alone() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    let asked = vec![ann.request().await.unwrap().id, agency.request().await.unwrap().id];

    let unit = ann.unit().await.unwrap();
    let changed = unit.requests().set_status_many(&asked, RequestStatus::Cancelled).await.unwrap();
    assert_eq!(changed, outcome(2, 1, 1));
    assert_eq!(unit.requests().remove_many(&asked).await.unwrap(), outcome(2, 1, 1));
}

#[tokio::test]
async fn many_requests_and_tasks_are_made_and_those_for_others_are_not() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let foreign = theirs.request().await.unwrap();
    let unit = ours.unit().await.unwrap();

    let mut requests: Vec<_> = (0..6_000).map(|n| new(&n.to_string())).collect();
    requests.push(NewRequest { user: Some(theirs.admin.user.id.clone()), ..new("theirs") });
    assert_eq!(unit.requests().add_many(requests).await.unwrap(), outcome(6_001, 6_000, 1));
    assert_eq!(total(&*unit, RequestStatus::Pending).await, 6_000);

    let request = unit.requests().list(RequestFilter::default(), PageRequest::new(1, 0)).await.unwrap().items.remove(0);
    let task = |request: &RequestId| (request.clone(), NewTask::new("t", TaskType::Page));
    let tasks = vec![task(&request.id), task(&foreign.id), task(&request.id)];
    assert_eq!(unit.tasks().add_many(tasks).await.unwrap(), outcome(3, 2, 1));
    let tasks = unit.tasks().list(TaskFilter::default(), PageRequest::default()).await.unwrap();
    assert!(tasks.total == 2 && tasks.items.iter().all(|task| task.request_id == request.id));
}

#[tokio::test]
async fn many_tasks_keep_their_first_times() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let one = unit.tasks().add(&request.id, NewTask::new("one", TaskType::Page)).await.unwrap().id;
    let two = unit.tasks().add(&request.id, NewTask::new("two", TaskType::Page)).await.unwrap().id;
    let started = unit.tasks().set_status(&one, TaskStatus::InProgress).await.unwrap().started_at;
    world.env().forward(chrono::TimeDelta::hours(1));
    let both = || vec![one.clone(), two.clone()];
    let set = async |status| unit.tasks().set_status_many(&both(), status).await.unwrap().changed;

    assert_eq!(set(TaskStatus::Pending).await, 1);
    assert_eq!(set(TaskStatus::InProgress).await, 2);
    assert_eq!(set(TaskStatus::Completed).await, 2);
    let first = unit.tasks().find(&one).await.unwrap().unwrap();
    let second = unit.tasks().find(&two).await.unwrap().unwrap();
    assert_eq!(first.started_at, started);
    assert!(second.started_at > started && first.completed_at == second.completed_at && second.completed_at.is_some());

    assert_eq!(set(TaskStatus::InProgress).await, 2);
    assert_eq!(unit.tasks().find(&two).await.unwrap().unwrap().completed_at, None);
    assert_eq!(unit.tasks().remove_many(&both()).await.unwrap(), outcome(2, 2, 0));
    assert_eq!(unit.tasks().remove_many(&both()).await.unwrap(), outcome(2, 0, 2));
}

#[tokio::test]
async fn a_call_that_fails_in_the_middle_leaves_nothing_and_the_unit_goes_on() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let kept = unit.requests().add(new("before")).await.unwrap();
    let mut requests: Vec<_> = (0..8_000).map(|n| new(&n.to_string())).collect();
    requests[7_000].title.clear();

    let refused = unit.requests().add_many(requests).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })));
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    let page = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    assert_eq!((page.total, &page.items[0].id), (1, &kept.id));
}

/// Makes the database reject the completion of this request.
async fn refuse(world: &rylie_testkit::World, id: &RequestId) {
    let sql = if is_sqlite(world) {
        format!(
            r#"CREATE TRIGGER refused BEFORE UPDATE ON "Request" WHEN NEW.id = '{id}' AND NEW.status = 'COMPLETED'
               BEGIN SELECT RAISE(ABORT, 'refused'); END"#
        )
    } else {
        format!(r#"ALTER TABLE "Request" ADD CONSTRAINT refused CHECK (NOT (id = '{id}' AND status = 'COMPLETED'))"#)
    };
    beside(world).await.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test]
async fn two_hundred_thousand_rows_are_changed_in_one_call_or_none_of_them() {
    const ROWS: u64 = 200_000;
    let world = world().await;
    let agency = world.agency().await.unwrap();
    add_requests(&world, &agency, 1, ROWS, "n").await;
    let asked = ids(1, ROWS);
    let refused = asked[100_000].clone();
    refuse(&world, &refused).await;

    let unit = agency.unit().await.unwrap();
    let failed = unit.requests().set_status_many(&asked, RequestStatus::Completed).await;
    assert!(failed.is_err());
    assert_eq!(total(&*unit, RequestStatus::Completed).await, 0);

    let reported = Arc::new(Mutex::new(Vec::new()));
    let report = Arc::clone(&reported);
    let progress = Progress::new(move |done, of| report.lock().unwrap().push((done, of)));
    let statements = unit.statements();
    unit.report_to(progress);
    let changed = unit.requests().set_status_many(&asked, RequestStatus::InProgress).await.unwrap();
    assert_eq!(changed, outcome(ROWS, ROWS, 0));
    assert_eq!(unit.statements() - statements, ROWS / 5_000);
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(total(&*unit, RequestStatus::InProgress).await, ROWS);
    let reported = reported.lock().unwrap();
    assert_eq!((reported.first(), reported.last()), (Some(&(0, ROWS)), Some(&(ROWS, ROWS))));
    assert!(reported.is_sorted());
}

#[tokio::test]
async fn mappings_are_made_or_moved_and_those_of_others_are_left() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (one, two, foreign) =
        (ours.request().await.unwrap(), ours.request().await.unwrap(), theirs.request().await.unwrap());
    let mapping = |request: &RequestId, task: &str| NewSeoWorksMapping {
        request: request.clone(),
        seoworks_task: task.into(),
        kind: "page".into(),
    };
    let unit = theirs.unit().await.unwrap();
    unit.seoworks_mappings().add(mapping(&foreign.id, "theirs")).await.unwrap();
    unit.commit().await.unwrap();
    let unit = ours.unit().await.unwrap();
    unit.seoworks_mappings().add(mapping(&one.id, "old")).await.unwrap();

    let new = ["new", "new", "old"].map(|task| mapping(&two.id, task));
    let mixed = [mapping(&two.id, "theirs"), mapping(&foreign.id, "ours")];
    let saved = unit.seoworks_mappings().save_many(new.into_iter().chain(mixed).collect()).await.unwrap();
    assert_eq!(saved, outcome(4, 2, 2));
    let moved = unit.seoworks_mappings().find_by_task("old").await.unwrap().unwrap();
    assert_eq!(moved.request_id, two.id);
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();
    assert_eq!(unit.seoworks_mappings().find_by_task("theirs").await.unwrap().unwrap().request_id, foreign.id);
    assert_eq!(unit.seoworks_mappings().list(PageRequest::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn many_are_brought_back_and_removed_for_good_only_after_they_were_removed() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (kept, gone, foreign) =
        (ours.request().await.unwrap(), ours.request().await.unwrap(), theirs.request().await.unwrap());
    let unit = theirs.unit().await.unwrap();
    unit.requests().remove(&foreign.id).await.unwrap();
    unit.commit().await.unwrap();
    let unit = ours.unit().await.unwrap();
    unit.tasks().add(&gone.id, NewTask::new("goes along", TaskType::Page)).await.unwrap();
    let all = || vec![kept.id.clone(), gone.id.clone(), foreign.id.clone()];

    assert_eq!(unit.requests().purge_many(&all()).await.unwrap(), outcome(3, 0, 3));
    assert_eq!(unit.requests().remove_many(&all()).await.unwrap(), outcome(3, 2, 1));
    let back = unit.requests().restore_many(&[kept.id.clone(), foreign.id.clone()]).await;
    assert_eq!(back.unwrap(), outcome(2, 1, 1));
    assert_eq!(unit.requests().purge_many(&all()).await.unwrap(), outcome(3, 1, 2));
    unit.commit().await.unwrap();

    let unit = ours.unit().await.unwrap();
    assert_eq!(unit.requests().get(&kept.id).await.unwrap().deleted_at, None);
    for (action, id) in [("RESTORED", &kept.id), ("PURGED", &gone.id)] {
        let filter =
            AuditFilter { action: Some(action.into()), resource_id: Some(id.to_string()), ..Default::default() };
        assert_eq!(unit.audit().list(filter, PageRequest::default()).await.unwrap().total, 1, "{action}");
    }
    drop(unit);
    let unit = theirs.unit().await.unwrap();
    assert!(unit.requests().restore(&foreign.id).await.is_ok(), "another agency's stays as it was");
}

#[tokio::test]
async fn tasks_are_brought_back_and_purged_by_administrators_alone() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap();
    let request = user.request().await.unwrap();
    let unit = user.unit().await.unwrap();
    let task = unit.tasks().add(&request.id, NewTask::new("a page", TaskType::Page)).await.unwrap();
    let ids = || vec![task.id.clone()];
    assert_eq!(unit.tasks().remove_many(&ids()).await.unwrap(), outcome(1, 1, 0));
    assert_eq!(unit.tasks().restore_many(&ids()).await.unwrap(), outcome(1, 1, 0));
    assert_eq!(unit.tasks().remove_many(&ids()).await.unwrap(), outcome(1, 1, 0));
    let refused = unit.tasks().purge_many(&ids()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.tasks().purge_many(&ids()).await.unwrap(), outcome(1, 1, 0));
    assert_eq!(unit.tasks().restore_many(&ids()).await.unwrap(), outcome(1, 0, 1));
}
