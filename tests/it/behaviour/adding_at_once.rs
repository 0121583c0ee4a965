//! `add_request`: a request and its tasks in a unit of their own, on PostgreSQL in one round trip.

use chrono::TimeDelta;
use rylie_db::entities::{AuditLog, Env, PackageType, TaskType};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, SettingsChanges};
use rylie_testkit::World;
use sea_orm::{ConnectionTrait, Statement};

use super::world;
use crate::support::rows::beside;

const SOME: &str = "it's \"quoted\" \\ back, ${x}, $1, {a,NULL}, grüße 🚀";

/// Counts the requests and the tasks of all tenants.
async fn counts(world: &World) -> (i64, i64) {
    let (database, sql) =
        (beside(world).await, r#"SELECT (SELECT count(*) FROM "Request"), (SELECT count(*) FROM "Task")"#);
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let row = database.query_one_raw(statement).await.unwrap().unwrap();
    (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())
}

fn new(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

#[tokio::test]
async fn what_is_returned_is_what_was_committed() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (store, scope) = (world.store(), agency.scope());
    let text = format!("{SOME}\r\n\t\u{2028}{}", "x".repeat(100_000));
    let request = NewRequest {
        description: text.clone(),
        priority: Some(RequestPriority::High),
        package: Some(PackageType::Gold),
        keywords: Some(serde_json::json!(["suv", { "a": [null, true, 1.5, text] }])),
        target_url: Some("https://dealer.example/?a='b'".into()),
        user: Some(agency.user().await.unwrap().user.id),
        ..new(SOME)
    };
    let task = NewTask {
        description: Some(text),
        priority: Some(RequestPriority::Low),
        due: Some(world.env().now() + TimeDelta::days(14)),
        metadata: Some(serde_json::json!({ "words": 300, "grüße": [null, true] })),
        target_url: Some("https://dealer.example/".into()),
        ..NewTask::new(SOME, TaskType::Blog)
    };
    let null = Some(serde_json::Value::Null);
    let nulls = vec![NewTask { metadata: null.clone(), ..NewTask::new("null", TaskType::Page) }];
    let with_null = NewRequest { keywords: null, ..request.clone() };
    for (request, tasks) in [
        (request.clone(), vec![task, NewTask::new("plain", TaskType::GbpPost)]),
        (request.clone(), Vec::new()),
        (request, nulls),
        (with_null, Vec::new()),
    ] {
        let made = store.add_request(&scope, request, tasks.clone()).await.unwrap();

        let unit = store.tenant(&scope).read_only().await.unwrap();
        let mut read = unit.requests().get_with_tasks(&made.request.id).await.unwrap();
        read.tasks.sort_by_key(|task| made.tasks.iter().position(|made| made.id == task.id));
        assert_eq!((&read.request, &read.tasks, &read.user), (&made.request, &made.tasks, &made.user));
        assert_eq!((made.request.title.as_str(), made.tasks.len()), (SOME, tasks.len()));
        assert_eq!(made.request.tenant_id, agency.agency.tenant_id);
    }
}

#[tokio::test]
async fn a_user_without_an_agency_adds_to_the_own_tenant() {
    let world = world().await;
    let solo = world.user().build().await.unwrap();

    let made = world.store().add_request(&solo.scope(), new("t"), Vec::new()).await.unwrap();

    assert_eq!((made.request.tenant_id, made.request.agency_id), (solo.user.tenant_id.clone(), None));
    assert_eq!(made.user, Some(solo.user));
}

#[tokio::test]
async fn many_tasks_are_added_with_it() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let tasks = (0..3_000).map(|number| NewTask::new(format!("task {number}"), TaskType::Page)).collect();

    world.store().add_request(&agency.scope(), new("many"), tasks).await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.tasks().list(TaskFilter::default(), PageRequest::default()).await.unwrap().total, 3_000);
}

#[tokio::test]
async fn nothing_is_added_for_a_user_out_of_reach_or_not_to_be_acted_for() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let (ann, bob) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap().user.id;
    let store = world.store();
    let task = || vec![NewTask::new("t", TaskType::Page)];
    let for_user = |user: &UserId| NewRequest { user: Some(user.clone()), ..new("t") };

    for user in [&other.admin.user.id, &"nobody".parse().unwrap()] {
        let foreign = store.add_request(&agency.scope(), for_user(user), task()).await;
        assert!(matches!(foreign, Err(Error::NotFound { entity: "User" })), "{foreign:?}");
    }
    // A user of the role `USER` reaches only the own row.
    let colleague = store.add_request(&ann.scope(), for_user(&bob.user.id), task()).await;
    assert!(matches!(colleague, Err(Error::NotFound { entity: "User" })), "{colleague:?}");
    let refused = store.add_request(&agency.scope(), for_user(&root), task()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
    for (request, tasks) in [
        (new(""), task()),
        (new("a\0b"), task()),
        (new("t"), vec![NewTask::new("", TaskType::Page)]),
        (new(&"x".repeat(5_000)), task()),
    ] {
        let invalid = store.add_request(&agency.scope(), request, tasks).await;
        assert!(matches!(invalid, Err(Error::Invalid { .. })), "{invalid:?}");
    }

    assert_eq!(counts(&world).await, (0, 0));
    let made = store.add_request(&ann.scope(), new("t"), task()).await.unwrap();
    assert_eq!(made.request.user_id, ann.user.id);
}

#[tokio::test]
async fn a_user_who_left_the_agency_adds_nothing_with_the_old_scope() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let left = agency.user().await.unwrap();
    let scope = left.scope();
    let sql = format!(r#"UPDATE "User" SET "agencyId" = '{}' WHERE id = '{}'"#, other.agency.id, left.user.id);
    beside(&world).await.execute_unprepared(&sql).await.unwrap();

    let added = world.store().add_request(&scope, new("t"), Vec::new()).await;

    assert!(matches!(added, Err(Error::NotFound { entity: "User" })), "{added:?}");
    assert_eq!(counts(&world).await, (0, 0));
}

#[tokio::test]
async fn it_is_recorded_if_asked_and_unless_the_settings_say_otherwise() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let origin = Origin { user_agent: Some("it's \"a\" browser".into()), ..Origin::default() };
    let scope = TenantScope::of(&agency.admin.signed_in, origin);
    let records = async || {
        let unit = agency.unit().await.unwrap();
        let filter = AuditFilter { action: Some("REQUEST_CREATED".to_owned()), ..Default::default() };
        unit.audit().list(filter, PageRequest::default()).await.unwrap().items
    };
    let store = world.store();

    store.add_request(&scope, new("t"), Vec::new()).await.unwrap();
    assert!(records().await.is_empty());
    let made = store.add_request(&scope, new("t"), Vec::new()).recorded().await.unwrap();
    let unit = store.tenant(&scope).await.unwrap();
    let other = unit.requests().add(new("t")).await.unwrap();
    unit.audit().record(Event::new(Action::RequestCreated).on(&other.id)).await.unwrap();
    unit.commit().await.unwrap();

    let mut found = records().await;
    found.sort_by_key(|record| record.resource_id.as_deref() == Some(other.id.as_str()));
    assert_eq!(found[0].resource_id.as_deref(), Some(made.request.id.as_str()));
    // As in a unit, but for the row that it names.
    let same = |record: &AuditLog| AuditLog {
        id: found[1].id.clone(),
        resource_id: found[1].resource_id.clone(),
        position: found[1].position,
        created_at: found[1].created_at,
        ..record.clone()
    };
    assert_eq!(same(&found[0]), found[1]);

    let unit = world.platform().await.unwrap();
    let off = SettingsChanges { audit_logging: Some(false), ..Default::default() };
    unit.settings().ensure().await.unwrap();
    unit.settings().update(off).await.unwrap();
    unit.commit().await.unwrap();
    store.add_request(&scope, new("t"), Vec::new()).recorded().await.unwrap();
    assert_eq!(records().await.len(), 2);
}

#[tokio::test]
async fn a_refused_super_admin_is_recorded() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap().user.id;
    let request = NewRequest { user: Some(root), ..new("t") };
    world.store().add_request(&agency.scope(), request, Vec::new()).await.unwrap_err();

    // The record is written in the background.
    for _ in 0..200 {
        let unit = agency.unit().await.unwrap();
        let page = unit.audit().list(AuditFilter::default(), PageRequest::default()).await.unwrap();
        if page.items.iter().any(|record| record.action == "ACCESS_REFUSED") {
            return;
        }
        drop(unit);
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("no record of the refusal");
}
