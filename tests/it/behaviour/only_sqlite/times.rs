//! SQLite stores a time as text: each instant has one spelling for every writer, and no period stays closed for ever.

use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::maintenance::{Sweep, close_usage};
use rylie_db::prelude::*;
use rylie_testkit::{TestUser, World};

use super::world;
use crate::support::sql::{Sql, from, migrations};

const PERIOD: &str = r#"SELECT "currentBillingPeriodStart" || ' to ' || "currentBillingPeriodEnd" FROM "User" WHERE "activePackageType" IS NOT NULL"#;

async fn set_period(world: &World, start: &str, end: &str) {
    let set = format!(
        r#"UPDATE "User" SET "currentBillingPeriodStart" = '{start}', "currentBillingPeriodEnd" = '{end}' WHERE "activePackageType" IS NOT NULL"#
    );
    Sql::connect(world.url()).await.run(&set).await;
}

async fn use_page(user: &TestUser<'_>) -> Result<(), rylie_db::repositories::Error> {
    let unit = user.unit().await.unwrap();
    unit.usage().use_page(&user.user.id, "event").await?;
    unit.commit().await
}

#[tokio::test]
async fn a_period_that_another_writer_spelled_is_closed_by_the_next_use() {
    let world = world().await;
    let user = world.user().package(PackageType::Gold).build().await.unwrap();
    set_period(&world, "2026-01-01 00:00:00.000", "2026-02-01 00:00:00.000").await;
    world.env().forward(TimeDelta::days(31));

    let outcome = tokio::time::timeout(Duration::from_secs(20), use_page(&user)).await;

    outcome.expect("it closes the period for ever").unwrap();
    let period = Sql::connect(world.url()).await.one(PERIOD).await;
    assert_eq!(period, "2026-02-01 00:00:00 to 2026-03-01 00:00:00");
}

#[tokio::test]
async fn the_job_and_a_use_agree_on_a_period_that_another_writer_spelled() {
    for (spelled, kept) in [
        ("2026-02-01 00:00:00.000", "2026-03-01 00:00:00"),
        ("2026-02-01T00:00:00.000Z", "2026-03-01 00:00:00"),
        ("2026-02-01 00:00:00.250", "2026-03-01 00:00:00.250"),
    ] {
        let world = world().await;
        let user = world.user().package(PackageType::Gold).build().await.unwrap();
        set_period(&world, "2026-01-01 00:00:00.000", spelled).await;
        world.env().forward(TimeDelta::days(31));

        let closed = close_usage(&*world.store(), None, &Sweep::default()).await.unwrap().users;
        use_page(&user).await.unwrap();

        assert_eq!(closed, 1, "{spelled}");
        let end = Sql::connect(world.url())
            .await
            .one(&PERIOD.replace("\"currentBillingPeriodStart\" || ' to ' || ", ""))
            .await;
        assert_eq!(end, kept, "{spelled}");
    }
}

#[tokio::test]
async fn a_period_that_ended_long_ago_is_refused_and_does_not_hold_the_file() {
    let world = world().await;
    let user = world.user().package(PackageType::Gold).build().await.unwrap();
    set_period(&world, "0001-01-01 00:00:00", "0001-02-01 00:00:00").await;

    let outcome = use_page(&user).await;

    assert!(matches!(outcome, Err(rylie_db::repositories::Error::Invalid { .. })), "{outcome:?}");
}

#[tokio::test]
async fn a_time_that_is_none_is_left_as_it_is_and_holds_nobody() {
    let world = world().await;
    world.user().package(PackageType::Gold).build().await.unwrap();
    set_period(&world, "long ago", "longer").await;
    world.env().forward(TimeDelta::days(400));

    let closed =
        tokio::time::timeout(Duration::from_secs(20), close_usage(&*world.store(), None, &Sweep::default())).await;

    closed.expect("it ends").unwrap();
    assert_eq!(Sql::connect(world.url()).await.one(PERIOD).await, "long ago to longer");
}

#[tokio::test]
async fn rows_from_before_are_spelled_anew_by_the_migration() {
    let world = world().await;
    world.user().package(PackageType::Gold).build().await.unwrap();
    let steps = from("spell_times_one_way");
    migrations(world.url()).await.down(steps, &mut |_| ()).await.unwrap();
    set_period(&world, "2026-01-01 00:00:00.000", "2026-02-01 00:00:00.120").await;
    assert_eq!(Sql::connect(world.url()).await.one(PERIOD).await, "2026-01-01 00:00:00.000 to 2026-02-01 00:00:00.120");

    migrations(world.url()).await.deploy(&mut |_| ()).await.unwrap();

    assert_eq!(Sql::connect(world.url()).await.one(PERIOD).await, "2026-01-01 00:00:00 to 2026-02-01 00:00:00.120");
}

/// The tables' own defaults use another spelling on a full second. No statement compares `updatedAt`, and `deletedAt`
/// is compared with a limit only.
#[tokio::test]
async fn every_time_of_every_table_has_the_one_spelling() {
    let world = world().await;
    let mut sql = Sql::connect(world.url()).await;
    let columns = "SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' \
                   AND c.type = 'TIMESTAMP' AND t.name NOT LIKE 'rylie%' AND t.name <> 'AuditLog' AND c.name NOT IN ('updatedAt', 'deletedAt') ORDER BY 1";
    let mut columns = sql.all(columns).await;
    let spelled = "SELECT tbl_name || '.' || c.name FROM sqlite_schema s JOIN pragma_table_info(s.tbl_name) c WHERE s.type = 'trigger' \
                   AND s.name = s.tbl_name || '_times_insert' AND s.sql LIKE '%SET%\"' || c.name || '\" = coalesce%' ORDER BY 1";
    let mut spelled = sql.all(spelled).await;
    columns.sort();
    spelled.sort();
    assert_eq!(spelled, columns);
    assert!(columns.len() > 20, "{columns:?}");

    sql.run(r#"INSERT INTO "Agency" (id, name, "createdAt", "updatedAt") VALUES ('x', 'x', '2026-01-01 00:00:00.000', '2026-01-01 00:00:00')"#).await;
    sql.run(r#"INSERT INTO "Agency" (id, name, "createdAt", "updatedAt") VALUES ('y', 'y', '2026-01-01T00:00:00Z', '2026-01-01 00:00:00')"#).await;

    let times = sql.all(r#"SELECT "createdAt" FROM "Agency" WHERE id IN ('x', 'y')"#).await;
    assert_eq!(times, ["2026-01-01 00:00:00"; 2]);
}
