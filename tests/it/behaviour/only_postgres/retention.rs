//! Retention with concurrent writers. PostgreSQL only: SQLite has one writer at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::entities::PackageType;
use rylie_db::maintenance::{RemovedExpired, Sweep, close_usage, purge_deleted, remove_expired};
use rylie_db::prelude::{Progress, Store};
use rylie_db::repositories::Expirable;
use rylie_testkit::{Cluster, DelayProxy, World};

use crate::support::sql::Sql;

use super::world;

const MONTH: Duration = Duration::from_hours(720);

/// The job skips locked rows until the next run, without waiting or failing.
#[tokio::test]
async fn a_row_that_another_transaction_holds_is_left() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (held, free) = (agency.request().await.unwrap(), agency.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    unit.requests().remove(&held.id).await.unwrap();
    unit.requests().remove(&free.id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(TimeDelta::days(31));
    let unit = agency.unit().await.unwrap();
    unit.requests().restore(&held.id).await.unwrap();

    let purge = async || purge_deleted(&*world.store(), MONTH, &Sweep::default()).await.unwrap().requests;
    assert_eq!(purge().await, 1);

    unit.commit().await.unwrap();
    assert_eq!(purge().await, 0, "it was brought back meanwhile");
}

#[tokio::test]
async fn a_locked_session_is_left_and_the_others_of_the_batch_are_removed() {
    let world = world().await;
    for (rows, batch) in [(20, 100), (3_000, 3_500), (3_000, 2_000)] {
        let mut sql = sessions(&world, rows, "1").await;
        let mut other = Sql::connect(world.url()).await;
        other.run(r#"BEGIN; SELECT 1 FROM "Session" WHERE id = 's7' FOR UPDATE"#).await;

        let unit = world.platform().await.unwrap();
        let mut removed = 0;
        // The unit is usable after the wait.
        for _ in 0..2 {
            removed += unit.expiry().remove(Expirable::Sessions, Duration::ZERO, batch).await.unwrap();
        }
        assert_eq!(unit.expiry().count(Expirable::Sessions, Duration::ZERO).await.unwrap(), 1);
        unit.commit().await.unwrap();

        assert_eq!(removed, rows - 1);
        other.run("ROLLBACK").await;
        assert_eq!(sql.one(r#"SELECT string_agg(id, ',') FROM "Session""#).await, "s7");
    }
}

#[tokio::test]
async fn the_others_are_removed_while_a_session_is_locked_for_longer_than_the_limit() {
    let world = world().await;
    let mut sql = sessions(&world, 3_000, "n").await;
    let mut other = Sql::connect(world.url()).await;
    other.run(r#"BEGIN; SELECT 1 FROM "Session" WHERE id = 's7' FOR UPDATE"#).await;
    let (proxy, store) = recorded(&world).await;
    proxy.record_statements();

    let removed = remove_expired(&*store, &Sweep::default()).await.unwrap();

    assert_eq!(removed.sessions, 2_999);
    let statements = proxy.take_statements();
    let deletions = statements.iter().filter(|sql| sql.contains(r#"DELETE FROM "Session""#)).count();
    assert_eq!(deletions, 2, "all at once, which waited, and a batch: {statements:#?}");
    other.run("ROLLBACK").await;
    assert_eq!(sql.one(r#"SELECT string_agg(id, ',') FROM "Session""#).await, "s7");
}

/// What a progress received: the numbers of processed rows and the totals.
type Reports = Arc<Mutex<Vec<(u64, u64)>>>;

fn reports() -> (Reports, Progress) {
    let reported = Reports::default();
    let progress = {
        let reported = Arc::clone(&reported);
        Progress::new(move |done, of| reported.lock().unwrap().push((done, of)))
    };
    (reported, progress)
}

/// Returns a store whose statements the proxy can record.
async fn recorded(world: &World) -> (DelayProxy, Arc<dyn Store>) {
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let url = world.url_through(&proxy).unwrap();
    let settings = [("database_url", url.as_str()), ("behind_pooler", "true"), ("max_connections", "1")];
    let store = world.connect_with_settings(&settings).await.unwrap().store();
    (proxy, store)
}

/// Replaces the sessions by others of one user, which expired `minutes` (SQL over `n`) before thirty years ago.
async fn sessions(world: &World, rows: u64, minutes: &str) -> Sql {
    let user = world.user().build().await.unwrap().user;
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!(
        r#"DELETE FROM "Session"; INSERT INTO "Session" (id, "sessionToken", "userId", "tenantId", expires)
           SELECT 's' || n, 't' || n, '{}', '{}', now() - interval '30 years' - ({minutes}) * interval '1 minute'
           FROM generate_series(1, {rows}) n"#,
        user.id,
        user.tenant_id.as_str()
    ))
    .await;
    sql.run(r#"ANALYZE "Session""#).await;
    sql
}

#[tokio::test]
async fn a_batch_of_many_is_the_oldest_rows() {
    let world = world().await;
    let mut sql = sessions(&world, 6_000, "n").await;
    for left in [3_000, 0] {
        let unit = world.platform().await.unwrap();
        assert_eq!(unit.expiry().remove(Expirable::Sessions, Duration::ZERO, 3_000).await.unwrap(), 3_000);
        unit.commit().await.unwrap();
        let newest = r#"SELECT count(*) || ' ' || coalesce(max(substr(id, 2)::int), 0) FROM "Session""#;
        assert_eq!(sql.one(newest).await, format!("{left} {left}"));
    }
}

#[tokio::test]
async fn few_rows_of_all_kinds_are_removed_in_one_unit_without_a_count() {
    let world = world().await;
    let (proxy, store) = recorded(&world).await;
    for rows in [1_500, 10] {
        let _sql = sessions(&world, rows, "n").await;
        let (reported, progress) = reports();
        proxy.record_statements();

        let removed = remove_expired(&*store, &Sweep { progress, ..Sweep::default() }).await.unwrap();

        let statements = proxy.take_statements();
        assert_eq!(removed, RemovedExpired { sessions: rows, ..RemovedExpired::default() });
        assert_eq!(*reported.lock().unwrap(), [(0, rows), (rows, rows), (0, 0), (0, 0)]);
        let sent = |part: &str| statements.iter().filter(|sql| sql.contains(part)).count();
        assert_eq!(sent("COMMIT"), 2, "that of the record, and that of the removal: {statements:#?}");
        assert_eq!(sent("count(*)"), 0, "{statements:#?}");
    }
}

#[tokio::test]
async fn a_close_opens_as_many_units_as_users_are_months_behind() {
    let world = world().await;
    let (proxy, store) = recorded(&world).await;
    for _ in 0..2 {
        world.user().package(PackageType::Gold).build().await.unwrap();
    }
    for (days, periods, units) in [(32, 2, 1), (61, 4, 2), (0, 0, 1)] {
        world.env().forward(TimeDelta::days(days));
        proxy.record_statements();

        let closed = close_usage(&*store, None, &Sweep::default()).await.unwrap();

        let statements = proxy.take_statements();
        assert_eq!(closed.users, periods);
        let commits = statements.iter().filter(|sql| sql.contains("COMMIT")).count();
        assert_eq!(commits, 2 * units, "each unit is recorded before: {statements:#?}");
    }
}

#[tokio::test]
async fn rows_of_a_second_batch_are_counted_for_the_progress() {
    let world = world().await;
    let _sql = sessions(&world, 51_000, "n").await;
    let (reported, progress) = reports();

    let sweep = Sweep { progress, limit: Some(60_000), ..Sweep::default() };
    let removed = remove_expired(&*world.store(), &sweep).await.unwrap();

    assert_eq!(removed.sessions, 51_000);
    assert_eq!(*reported.lock().unwrap(), [(0, 51_000), (50_000, 51_000), (51_000, 51_000), (0, 0), (0, 0)]);
}
