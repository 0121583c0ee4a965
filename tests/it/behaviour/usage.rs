//! Usage is counted once and closed once.

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rylie_db::entities::{Env, TaskType};
use rylie_db::maintenance::close_usage;
use rylie_db::prelude::*;

use crate::migration::sql::Sql;

use super::world;

#[tokio::test]
async fn a_month_is_archived_and_reset_together() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    let me = || user.user.id.clone();
    let unit = user.unit().await.unwrap();
    for kind in [TaskType::Page, TaskType::Page, TaskType::Blog, TaskType::GbpPost, TaskType::Improvement] {
        unit.usage().count_one(me(), kind).await.unwrap();
    }
    unit.commit().await.unwrap();
    assert_eq!(close_usage(&*world.store()).await.unwrap().users, 0, "the period has not ended");

    world.env().forward(TimeDelta::days(31));
    assert_eq!(close_usage(&*world.store()).await.unwrap().users, 1);
    assert_eq!(close_usage(&*world.store()).await.unwrap().users, 0, "closed once");

    let unit = user.unit().await.unwrap();
    let archived = unit.usage().find(me(), 2026, 1).await.unwrap().unwrap();
    let counts = [archived.pages_used, archived.blogs_used, archived.gbp_posts_used, archived.improvements_used];
    assert_eq!((counts, archived.package_type), ([2, 1, 1, 1], PackageType::Gold));
    assert_eq!(archived.tenant_id, agency.agency.tenant_id);
    let after = unit.users().get(me()).await.unwrap();
    assert_eq!((after.pages_used_this_period, after.blogs_used_this_period), (0, 0));
    assert_eq!(after.current_billing_period_start, user.user.current_billing_period_end);
}

#[tokio::test]
async fn a_period_that_begins_on_the_last_day_keeps_to_the_last_day() {
    let world = world().await;
    // From 15 January to 31 January, the last day of the month.
    world.env().forward(TimeDelta::days(16));
    let user = world.user().package(PackageType::Silver).build().await.unwrap();
    let mut ends = Vec::new();
    for _ in 0..13 {
        let unit = user.unit().await.unwrap();
        let row = unit.users().get(user.user.id.clone()).await.unwrap();
        let end: DateTime<Utc> = row.current_billing_period_end.unwrap().into();
        drop(unit);
        ends.push((end.month(), end.day()));
        world.env().forward(end - world.env().now());
        assert_eq!(close_usage(&*world.store()).await.unwrap().users, 1);
    }

    let expected = [(2, 28), (3, 31), (4, 30), (5, 31), (6, 30), (7, 31), (8, 31), (9, 30), (10, 31), (11, 30), (12, 31), (1, 31), (2, 28)];
    assert_eq!(ends, expected);
}

#[tokio::test]
async fn months_that_were_missed_are_closed_one_by_one() {
    let world = world().await;
    let user = world.user().package(PackageType::Gold).build().await.unwrap();
    world.env().forward(TimeDelta::days(100));

    assert_eq!(close_usage(&*world.store()).await.unwrap().users, 3);

    let unit = user.unit().await.unwrap();
    let months = unit.usage().list(Some(user.user.id.clone()), PageRequest::default()).await.unwrap().items;
    let mut months: Vec<_> = months.iter().map(|month| (month.year, month.month)).collect();
    months.sort_unstable();
    assert_eq!(months, [(2026, 1), (2026, 2), (2026, 3)]);
}

#[tokio::test]
async fn a_second_close_of_the_same_month_adds_to_the_archived_row() {
    let world = world().await;
    let user = world.user().package(PackageType::Gold).build().await.unwrap();
    let me = || user.user.id.clone();
    let mut sql = Sql::connect(world.url()).await;
    for _ in 0..2 {
        let unit = user.unit().await.unwrap();
        unit.usage().count_one(me(), TaskType::Page).await.unwrap();
        unit.commit().await.unwrap();
        // The old service ends the period early and starts it over in the same month.
        sql.run(
            r#"UPDATE "User" SET "currentBillingPeriodStart" = '2026-01-02 00:00:00', "currentBillingPeriodEnd" = '2026-01-10 00:00:00' WHERE "activePackageType" IS NOT NULL"#,
        )
        .await;
        close_usage(&*world.store()).await.unwrap();
    }

    let unit = user.unit().await.unwrap();
    assert_eq!(unit.usage().find(me(), 2026, 1).await.unwrap().unwrap().pages_used, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_closers_and_ten_counters_lose_and_double_nothing() {
    let world = world().await;
    let mut users = Vec::new();
    for _ in 0..5 {
        users.push(world.user().package(PackageType::Gold).build().await.unwrap());
    }
    world.env().forward(TimeDelta::days(31));
    let store = world.store();
    let mut tasks = Vec::new();
    for number in 0..10 {
        let (store, user) = (store.clone(), users[number % 5].signed_in.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..5 {
                let unit = store.tenant(&TenantScope::of(&user, Origin::default())).await.unwrap();
                unit.usage().count_one(user.id().clone(), TaskType::Page).await.unwrap();
                unit.commit().await.unwrap();
            }
            0
        }));
        let store = world.store();
        tasks.push(tokio::spawn(async move { close_usage(&*store).await.unwrap().users }));
    }
    let mut closed = 0;
    for task in tasks {
        closed += task.await.unwrap();
    }
    closed += close_usage(&*world.store()).await.unwrap().users;
    assert_eq!(closed, 5, "each user's period once");

    let mut sql = Sql::connect(world.url()).await;
    let current = sql.one(r#"SELECT CAST(sum("pagesUsedThisPeriod") AS text) FROM "User""#).await;
    let archived = sql.one(r#"SELECT CAST(sum("pagesUsed") AS text) FROM "MonthlyUsage""#).await;
    let total = current.parse::<i64>().unwrap() + archived.parse::<i64>().unwrap();
    assert_eq!(total, 50, "{current} current, {archived} archived");
}
