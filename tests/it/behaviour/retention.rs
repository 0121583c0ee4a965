//! Removes expired rows in batches, and no others.

#![expect(clippy::similar_names, reason = "a user, and what was used")]

use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::maintenance::{Error, PurgedDeleted, Sweep, purge_deleted, remove_usage_events};
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Expirable, RequestFilter};
use rylie_testkit::World;

use crate::support::rows::is_sqlite;
use crate::support::sql::Sql;

use super::world;

const MONTH: Duration = Duration::from_hours(720);

async fn purge(world: &World, sweep: Sweep) -> PurgedDeleted {
    purge_deleted(&*world.store(), MONTH, &sweep).await.unwrap()
}

#[tokio::test]
async fn what_was_soft_deleted_long_ago_is_purged_and_recorded() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (old, recent, live) =
        (agency.request().await.unwrap(), agency.request().await.unwrap(), agency.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    unit.tasks().add(&old.id, NewTask::new("t", TaskType::Page)).await.unwrap();
    let task = unit.tasks().add(&live.id, NewTask::new("t", TaskType::Page)).await.unwrap();
    unit.requests().remove(&old.id).await.unwrap();
    unit.tasks().remove(&task.id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(TimeDelta::days(29));
    let unit = agency.unit().await.unwrap();
    unit.requests().remove(&recent.id).await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(purge(&world, Sweep::default()).await, PurgedDeleted::default(), "29 days");

    world.env().forward(TimeDelta::days(2));
    let expected = PurgedDeleted { requests: 1, tasks: 1, own: 0 };
    assert_eq!(purge(&world, Sweep { dry_run: true, ..Sweep::default() }).await, expected);
    assert_eq!(purge(&world, Sweep::default()).await, expected);
    assert_eq!(purge(&world, Sweep::default()).await, PurgedDeleted::default());

    let unit = world.platform().await.unwrap();
    let deleted = RequestFilter { deleted: true, ..Default::default() };
    let left = unit.requests().list(deleted, PageRequest::default()).await.unwrap().items;
    assert_eq!(left.iter().map(|request| &request.id).collect::<Vec<_>>(), [&recent.id]);
    unit.requests().get(&live.id).await.unwrap();
    for id in [old.id.to_string(), task.id.to_string()] {
        let of_row = AuditFilter { action: Some("PURGED".into()), resource_id: Some(id), ..Default::default() };
        assert_eq!(unit.audit().list(of_row, PageRequest::default()).await.unwrap().total, 1);
    }
    let tasks = Sql::connect(world.url()).await.one(r#"SELECT CAST(count(*) AS text) FROM "Task""#).await;
    assert_eq!(tasks, "0", "the purged request's task went with it");
}

#[tokio::test]
async fn requests_that_cannot_be_purged_keep_no_task_and_are_reported() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (deleted, live) = (agency.request().await.unwrap(), agency.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    let task = unit.tasks().add(&live.id, NewTask::new("t", TaskType::Page)).await.unwrap();
    unit.requests().remove(&deleted.id).await.unwrap();
    unit.tasks().remove(&task.id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(TimeDelta::days(31));
    let mut sql = Sql::connect(world.url()).await;
    sql.refuse_removal("Request").await;

    let failed = purge_deleted(&*world.store(), MONTH, &Sweep::default()).await;

    assert!(matches!(&failed, Err(Error::Data { .. })), "{failed:?}");
    let left = |table| format!("SELECT CAST(count(*) AS text) FROM \"{table}\"");
    assert_eq!([sql.one(&left("Request")).await, sql.one(&left("Task")).await], ["2", "0"]);
}

#[tokio::test]
async fn a_purge_goes_on_where_a_limit_stopped_it() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    for _ in 0..5 {
        let request = agency.request().await.unwrap();
        let unit = agency.unit().await.unwrap();
        unit.requests().remove(&request.id).await.unwrap();
        unit.commit().await.unwrap();
    }
    world.env().forward(TimeDelta::days(31));

    let limited = Sweep { limit: Some(2), ..Sweep::default() };
    assert_eq!(purge(&world, limited).await.requests, 2);
    assert_eq!(purge(&world, Sweep::default()).await.requests, 3);
}

#[tokio::test]
async fn a_job_reports_how_far_it_is() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.requests().remove(&request.id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(TimeDelta::days(31));
    let reported = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let progress = {
        let reported = reported.clone();
        Progress::new(move |done, of| reported.lock().unwrap().push((done, of)))
    };

    purge(&world, Sweep { progress, ..Sweep::default() }).await;

    assert_eq!(*reported.lock().unwrap(), [(0, 1), (1, 1), (0, 0)]);
}

#[tokio::test]
async fn an_event_is_forgotten_when_no_sender_delivers_it_again() {
    let world = world().await;
    let user = world.user().package(PackageType::Gold).build().await.unwrap();
    let deliver = async |event: &str| {
        let unit = user.unit().await.unwrap();
        let used = unit.usage().use_page(&user.user.id, event).await.unwrap();
        unit.commit().await.unwrap();
        used.repeated
    };
    deliver("old").await;
    world.env().forward(TimeDelta::days(20));
    deliver("recent").await;
    world.env().forward(TimeDelta::days(11));

    let removed = remove_usage_events(&*world.store(), MONTH, &Sweep::default()).await.unwrap();

    assert_eq!(removed, 1);
    assert_eq!([deliver("recent").await, deliver("old").await], [true, false]);
}

/// Adds sessions of one user, which expire `seconds` before now; `seconds` is SQL over `n`.
async fn add_sessions(world: &World, count: u64, seconds: &str) {
    let user = world.user().build().await.unwrap().user;
    let (numbers, at) = if is_sqlite(world) {
        let numbers = format!(
            "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s)"
        );
        (numbers, format!("strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 years', '-' || ({seconds}) || ' seconds')"))
    } else {
        let at = format!("now() AT TIME ZONE 'UTC' - interval '30 years' - ({seconds}) * interval '1 second'");
        (format!("generate_series(1, {count}) s(n)"), at)
    };
    let sql = format!(
        r#"DELETE FROM "Session"; INSERT INTO "Session" (id, "sessionToken", "userId", "tenantId", expires)
           SELECT 's' || n, 't' || n, '{}', '{}', {at} FROM {numbers}"#,
        user.id,
        user.tenant_id.as_str()
    );
    Sql::connect(world.url()).await.run(&sql).await;
}

#[tokio::test]
async fn a_batch_is_the_oldest_rows_and_never_more_also_if_they_expired_at_one_time() {
    let world = world().await;
    for (seconds, left) in [("n", "s1"), ("7", ""), ("n / 10", "")] {
        add_sessions(&world, 25, seconds).await;
        let mut removed = Vec::new();
        for batch in [10, 14, 10, 10] {
            let unit = world.platform().await.unwrap();
            removed.push(unit.expiry().remove(Expirable::Sessions, Duration::ZERO, batch).await.unwrap());
            unit.commit().await.unwrap();
            let one = r#"SELECT CASE WHEN count(*) = 1 THEN min(id) ELSE '' END FROM "Session""#;
            let only = Sql::connect(world.url()).await.one(one).await;
            assert!(removed.len() != 2 || left.is_empty() || only == left, "the newest stays: {only}");
        }
        assert_eq!(removed, [10, 14, 1, 0], "{seconds}");
    }
}
