//! Requests and their tasks.

use std::collections::HashSet;

use chrono::TimeDelta;
use rylie_db::entities::{Env, RequestStatus, TaskStatus, TaskType, Timestamp};
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MAX_LINE_BYTES, RequestChanges};
use sea_orm::ConnectionTrait;

use super::world;

fn new(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

#[tokio::test]
async fn a_request_and_its_tasks_are_read_as_they_were_written() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let mut task = NewTask::new("write it", TaskType::Page);
    task.metadata = Some(serde_json::json!({ "words": 300, "grüße": [null, true] }));
    task.due = Some(world.env().now() + TimeDelta::days(14));
    let request = NewRequest { keywords: Some(serde_json::json!(["suv", "lease"])), ..new("Pages") };
    let made =
        unit.requests().add_with_tasks(request, vec![task, NewTask::new("post it", TaskType::GbpPost)]).await.unwrap();
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    let read = unit.requests().get_with_tasks(&made.request.id).await.unwrap();

    assert_eq!(read.request, made.request);
    assert_eq!(read.tasks, made.tasks);
    assert_eq!(read.user, made.user);
    assert_eq!(read.request.tenant_id, agency.agency.tenant_id);
}

#[tokio::test]
async fn the_number_of_statements_does_not_grow_with_the_rows() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    // SQLite adds rows of two tables in two statements.
    let made_by = if world.url().starts_with("sqlite") { 3 } else { 1 };
    for count in [1, 40, 400] {
        let unit = agency.unit().await.unwrap();
        let tasks = (0..count).map(|number| NewTask::new(format!("task {number}"), TaskType::Page)).collect();
        let made = unit.requests().add_with_tasks(new("many"), tasks).await.unwrap();
        assert_eq!(unit.statements(), made_by, "the owner, the request and the tasks");
        unit.commit().await.unwrap();

        let unit = agency.unit().await.unwrap();
        let read = unit.requests().get_with_tasks(&made.request.id).await.unwrap();
        assert_eq!((read.tasks.len(), unit.statements()), (count, 3), "the request, the user, the tasks");
    }
}

#[tokio::test]
async fn a_total_is_exact_unless_it_is_counted_only_so_far() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    for _ in 0..5 {
        agency.request().await.unwrap();
    }
    let unit = agency.unit().await.unwrap();

    let page = PageRequest::new(2, 0);
    for (page, total, statements) in [
        (page, 5, 1),
        (page.counting_to(3), 3, 1),
        (page.counting_to(1_000), 5, 1),
        (PageRequest::new(2, 4), 5, 1),
        (PageRequest::new(2, 4).counting_to(3), 5, 1),
        (PageRequest::new(2, 6), 5, 2),
    ] {
        let before = unit.statements();
        let listed = unit.requests().list(RequestFilter::default(), page).await.unwrap();
        assert_eq!((listed.total, unit.statements() - before), (total, statements), "{page:?}");
    }
}

#[tokio::test]
async fn more_tasks_than_one_statement_can_bind_are_all_added() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let tasks = (0..3_000).map(|number| NewTask::new(format!("task {number}"), TaskType::Page)).collect();

    let made = unit.requests().add_with_tasks(new("many"), tasks).await.unwrap();
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.requests().get_with_tasks(&made.request.id).await.unwrap().tasks.len(), 3_000);
}

#[tokio::test]
async fn the_newest_come_first_and_every_page_has_the_total() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(agency.request().await.unwrap().id);
    }
    made.reverse();
    let unit = agency.unit().await.unwrap();

    let mut walked = Vec::new();
    for offset in [0, 3, 6] {
        let page = unit.requests().list(RequestFilter::default(), PageRequest::new(3, offset)).await.unwrap();
        assert_eq!(page.total, 7);
        walked.extend(page.items.into_iter().map(|request| request.id));
    }

    assert_eq!(walked, made);
    let beyond = unit.requests().list(RequestFilter::default(), PageRequest::new(3, u64::MAX)).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.total), (0, 7));
}

#[tokio::test]
async fn requests_of_one_instant_are_ordered_by_their_ids() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let (mut made, mut instants) = (Vec::new(), HashSet::new());
    for number in 0..10 {
        let request = unit.requests().add(new(&number.to_string())).await.unwrap();
        instants.insert(request.created_at.utc());
        made.push(request.id);
    }
    assert_eq!(instants.len(), 1, "the requests are of one instant");
    let mut seen = Vec::new();
    for offset in 0..10 {
        let page = unit.requests().list(RequestFilter::default(), PageRequest::new(1, offset)).await.unwrap();
        seen.push(page.items[0].id.clone());
    }

    made.sort_by(|one, other| other.as_str().cmp(one.as_str()));
    assert_eq!(seen, made, "the highest id comes first");
}

#[tokio::test]
async fn a_filter_by_status_finds_those_with_it() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (one, _two) = (agency.request().await.unwrap(), agency.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    unit.requests().set_status(&one.id, RequestStatus::InProgress).await.unwrap();

    let filter = RequestFilter { status: Some(RequestStatus::InProgress), ..Default::default() };
    let page = unit.requests().list(filter, PageRequest::default()).await.unwrap();

    assert_eq!((page.total, &page.items[0].id), (1, &one.id));
}

#[tokio::test]
async fn a_status_carries_its_timestamps() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    world.env().forward(TimeDelta::hours(1));
    let done_at = world.env().now();

    let done = unit.requests().set_status(&request.id, RequestStatus::Completed).await.unwrap();
    assert_eq!(done.completed_at.map(Timestamp::utc), Some(done_at));

    world.env().forward(TimeDelta::hours(1));
    let again = unit.requests().set_status(&request.id, RequestStatus::Completed).await.unwrap();
    assert_eq!(again.completed_at, done.completed_at, "completed once is completed at its first time");

    let reopened = unit.requests().set_status(&request.id, RequestStatus::InProgress).await.unwrap();
    assert_eq!(reopened.completed_at, None);
}

#[tokio::test]
async fn a_task_starts_once_and_completes() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let task = unit.tasks().add(&request.id, NewTask::new("t", TaskType::Page)).await.unwrap();

    let started = unit.tasks().set_status(&task.id, TaskStatus::InProgress).await.unwrap();
    world.env().forward(TimeDelta::hours(1));
    let done = unit.tasks().set_status(&task.id, TaskStatus::Completed).await.unwrap();
    let again = unit.tasks().set_status(&task.id, TaskStatus::InProgress).await.unwrap();

    assert!(started.started_at.is_some() && started.completed_at.is_none());
    assert!(done.completed_at > started.started_at);
    assert_eq!((again.started_at, again.completed_at), (started.started_at, None));
}

#[tokio::test]
async fn a_soft_deleted_request_is_left_out_restored_and_purged() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let id = || request.id.clone();
    unit.tasks().add(&id(), NewTask::new("t", TaskType::Page)).await.unwrap();

    unit.requests().remove(&id()).await.unwrap();
    assert_eq!(unit.requests().find(&id()).await.unwrap(), None);
    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 0);
    let deleted = RequestFilter { deleted: true, ..Default::default() };
    assert_eq!(unit.requests().list(deleted, PageRequest::default()).await.unwrap().total, 1);
    assert!(matches!(unit.requests().remove(&id()).await, Err(Error::NotFound { .. })), "it already is");

    let restored = unit.requests().restore(&id()).await.unwrap();
    assert_eq!((restored.deleted, restored.deleted_at), (false, None));
    assert!(matches!(unit.requests().purge(&id()).await, Err(Error::NotFound { .. })), "only what is soft-deleted");

    unit.requests().remove(&id()).await.unwrap();
    unit.requests().purge(&id()).await.unwrap();
    assert!(matches!(unit.requests().restore(&id()).await, Err(Error::NotFound { .. })));
    assert_eq!(unit.tasks().list(TaskFilter::default(), PageRequest::default()).await.unwrap().total, 0);
}

#[tokio::test]
async fn an_empty_title_and_a_nul_character_are_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();

    for title in ["", "  \n", "a\0b"] {
        let refused = unit.requests().add(new(title)).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{title:?}");
    }
    let keywords = NewRequest { keywords: Some(serde_json::json!({ "k": ["a\0b"] })), ..new("t") };
    assert!(matches!(unit.requests().add(keywords).await, Err(Error::Invalid { .. })));
    let changes = RequestChanges { title: Some(String::new()), ..Default::default() };
    assert!(matches!(unit.requests().update(&request.id, changes).await, Err(Error::Invalid { .. })));

    // Rejected before sending, so the unit remains usable.
    assert_eq!(unit.requests().get(&request.id).await.unwrap(), request);
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn a_hostile_and_a_huge_text_are_stored_as_they_are() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    for title in ["'; DROP TABLE \"Request\"; --", "%_\\", "🦀\u{202e}", &"x".repeat(MAX_LINE_BYTES)] {
        let made = unit.requests().add(new(title)).await.unwrap();
        assert_eq!(unit.requests().get(&made.id).await.unwrap().title, title);
    }
}

#[tokio::test]
async fn json_that_could_not_be_read_again_is_not_stored() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let nested = |levels| (0..levels).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let task = |levels| NewTask { metadata: Some(nested(levels)), ..NewTask::new("t", TaskType::Page) };

    unit.tasks().add(&request.id, task(99)).await.unwrap();
    for levels in [100, 500] {
        let refused = unit.tasks().add(&request.id, task(levels)).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{levels}");
    }
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.requests().get_with_tasks(&request.id).await.unwrap().tasks.len(), 1);
}

/// A scope is not updated when its user leaves, so the check reads the user's row.
#[tokio::test]
async fn nothing_is_made_for_a_user_who_is_not_there_or_not_to_be_acted_for() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let left = agency.user().await.unwrap();
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap().user.id;
    let sql = format!(r#"UPDATE "User" SET "agencyId" = '{}' WHERE id = '{}'"#, other.agency.id, left.user.id);
    crate::support::rows::beside(&world).await.execute_unprepared(&sql).await.unwrap();
    let for_user = |user: &UserId| NewRequest { user: Some(user.clone()), ..new("t") };
    let task = || vec![NewTask::new("t", TaskType::Page)];

    let unit = left.unit().await.unwrap();
    let own = unit.requests().add_with_tasks(new("t"), task()).await;
    assert!(matches!(own, Err(Error::NotFound { entity: "User" })), "{own:?}");
    unit.commit().await.unwrap();
    let unit = agency.unit().await.unwrap();
    for user in [&left.user.id, &other.admin.user.id, &"nobody".parse().unwrap()] {
        let foreign = unit.requests().add_with_tasks(for_user(user), task()).await;
        assert!(matches!(foreign, Err(Error::NotFound { entity: "User" })), "{foreign:?}");
    }
    let refused = unit.requests().add_with_tasks(for_user(&root), task()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    unit.commit().await.unwrap();

    for scope in [agency.scope(), other.scope()] {
        let store = world.store();
        let unit = store.tenant(&scope).read_only().await.unwrap();
        assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 0);
        assert_eq!(unit.tasks().list(TaskFilter::default(), PageRequest::default()).await.unwrap().total, 0);
    }
    let ann = agency.user().await.unwrap();
    let made = agency.unit().await.unwrap().requests().add(for_user(&ann.user.id)).await.unwrap();
    assert_eq!((made.user_id, made.agency_id), (ann.user.id, Some(agency.agency.id.clone())));
}

#[tokio::test]
async fn a_nullable_column_is_kept_set_and_cleared() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let id = unit.requests().add(new("t")).await.unwrap().id;

    let set =
        RequestChanges { content_url: "https://example.com/a".into(), page_title: "A".into(), ..Default::default() };
    unit.requests().update(&id, set).await.unwrap();
    let cleared = RequestChanges { page_title: Patch::Clear, ..Default::default() };
    let cleared = unit.requests().update(&id, cleared).await.unwrap();

    assert_eq!((cleared.content_url.as_deref(), cleared.page_title), (Some("https://example.com/a"), None));
    assert_eq!(unit.requests().get(&id).await.unwrap().page_title, None);
}

#[tokio::test]
async fn requests_are_listed_by_kind() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    for kind in [RequestKind::GbpPost, RequestKind::from("audit"), RequestKind::Page] {
        unit.requests().add(NewRequest::new("t", kind)).await.unwrap();
    }

    for kind in ["gbp_post", "audit"] {
        let filter = RequestFilter { kind: Some(kind.into()), ..Default::default() };
        let listed = unit.requests().list(filter, PageRequest::default()).await.unwrap();
        assert_eq!(listed.items.iter().map(|request| request.kind.as_str()).collect::<Vec<_>>(), [kind]);
    }
    let empty = unit.requests().add(NewRequest::new("t", RequestKind::from(""))).await;
    assert!(matches!(empty, Err(Error::Invalid { .. })));
}
