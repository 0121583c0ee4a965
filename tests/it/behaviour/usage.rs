//! Usage is counted once and closed once.

#![expect(clippy::similar_names, reason = "a user, and what was used")]

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rylie_db::entities::{Env, TaskType};
use rylie_db::maintenance::{Sweep, close_usage, reset_usage};
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, Used};
use rylie_testkit::{TestUser, World};

use crate::support::sql::Sql;

use super::world;

async fn customer(world: &World, package: PackageType) -> TestUser<'_> {
    world.user().package(package).build().await.unwrap()
}

async fn close(world: &World) -> u64 {
    close_usage(&*world.store(), None, &Sweep::default()).await.unwrap().users
}

/// Delivers events concurrently, each in a separate unit. Returns each outcome.
async fn deliver(world: &World, user: &TestUser<'_>, kind: TaskType, events: Vec<String>) -> Vec<Result<Used, Error>> {
    let deliveries = events.into_iter().map(|event| {
        let (store, scope) = (world.store(), user.scope());
        tokio::spawn(async move {
            let unit = store.tenant(&scope).await?;
            let used = unit.usage().use_one(scope.user().id(), kind, &event).await?;
            unit.commit().await.map(|()| used)
        })
    });
    futures_util::future::join_all(deliveries).await.into_iter().map(Result::unwrap).collect()
}

async fn use_pages(user: &TestUser<'_>, events: &[&str]) {
    let unit = user.unit().await.unwrap();
    for event in events {
        unit.usage().use_page(&user.user.id, event).await.unwrap();
    }
    unit.commit().await.unwrap();
}

async fn current_pages(user: &TestUser<'_>) -> i32 {
    let unit = user.unit().await.unwrap();
    unit.users().get(&user.user.id).await.unwrap().pages_used_this_period
}

async fn archived_pages(user: &TestUser<'_>, year: i32, month: i32) -> Option<i32> {
    let unit = user.unit().await.unwrap();
    unit.usage().find(&user.user.id, year, month).await.unwrap().map(|archived| archived.pages_used)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_deliveries_with_duplicates_give_the_exact_count() {
    let world = world().await;
    let user = customer(&world, PackageType::Platinum).await;
    let events = (0..50).map(|number| format!("event-{}", number % 17)).collect();

    let outcomes = deliver(&world, &user, TaskType::GbpPost, events).await;

    let counted: Vec<_> = outcomes.into_iter().map(Result::unwrap).filter(|used| !used.repeated).collect();
    let unit = user.unit().await.unwrap();
    let row = unit.users().get(&user.user.id).await.unwrap();
    assert_eq!((row.gbp_posts_used_this_period, counted.len()), (17, 17));
    let mut used: Vec<_> = counted.iter().map(|used| (used.used, used.limit)).collect();
    used.sort_unstable();
    assert_eq!(used, (1..=17).map(|number| (number, 20)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_over_the_quota_is_refused_under_any_concurrency() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    let events = (0..30).map(|number| format!("event-{number}")).collect();

    let outcomes = deliver(&world, &user, TaskType::Page, events).await;

    let refused = |outcome: &&Result<Used, Error>| {
        matches!(outcome, Err(Error::QuotaExceeded { kind: TaskType::Page, limit: 5 }))
    };
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    assert_eq!(outcomes.iter().filter(refused).count(), 25);
    assert_eq!(current_pages(&user).await, 5);
}

#[tokio::test]
async fn an_event_that_was_refused_counts_when_it_comes_again_in_the_next_period() {
    let world = world().await;
    let user = customer(&world, PackageType::Silver).await;
    use_pages(&user, &["1", "2", "3"]).await;
    let unit = user.unit().await.unwrap();
    let refused = unit.usage().use_page(&user.user.id, "4").await;
    assert!(matches!(refused, Err(Error::QuotaExceeded { limit: 3, .. })), "{refused:?}");
    unit.commit().await.unwrap();

    world.env().forward(TimeDelta::days(31));
    use_pages(&user, &["4"]).await;

    assert_eq!((archived_pages(&user, 2026, 1).await, current_pages(&user).await), (Some(3), 1));
}

#[tokio::test]
async fn a_refused_use_leaves_the_unit_usable() {
    let world = world().await;
    let user = customer(&world, PackageType::Silver).await;
    let unit = user.unit().await.unwrap();
    for event in ["1", "2", "3"] {
        unit.usage().use_blog(&user.user.id, event).await.unwrap();
    }
    unit.usage().use_blog(&user.user.id, "4").await.unwrap_err();
    unit.usage().use_page(&user.user.id, "5").await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!(current_pages(&user).await, 1);
    let mut sql = Sql::connect(world.url()).await;
    assert_eq!(sql.one(r#"SELECT CAST(count(*) AS text) FROM "UsageEvent""#).await, "4");
}

#[tokio::test]
async fn each_kind_of_work_has_its_own_counter_and_limit() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    let me = || user.user.id.clone();
    let unit = user.unit().await.unwrap();

    let used = [
        unit.usage().use_page(&me(), "a").await.unwrap(),
        unit.usage().use_blog(&me(), "b").await.unwrap(),
        unit.usage().use_gbp_post(&me(), "c").await.unwrap(),
        unit.usage().use_improvement(&me(), "d").await.unwrap(),
    ];

    assert_eq!(used.map(|used| (used.used, used.limit)), [(1, 5), (1, 5), (1, 12), (1, 10)]);
    let row = unit.users().get(&me()).await.unwrap();
    let counters = [
        row.pages_used_this_period,
        row.blogs_used_this_period,
        row.gbp_posts_used_this_period,
        row.improvements_used_this_period,
    ];
    assert_eq!(counters, [1, 1, 1, 1]);
}

#[tokio::test]
async fn an_event_stands_for_one_use_of_one_kind_by_one_user() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    let bob = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    use_pages(&ann, &["event"]).await;
    let unit = agency.unit().await.unwrap();

    let again = unit.usage().use_page(&ann.user.id, "event").await.unwrap();
    assert_eq!(again, Used { used: 1, limit: 5, repeated: true });
    for (user, kind) in [(&ann, TaskType::Blog), (&bob, TaskType::Page)] {
        let otherwise = unit.usage().use_one(&user.user.id, kind, "event").await;
        assert!(matches!(otherwise, Err(Error::Conflict { .. })), "{otherwise:?}");
    }
    drop(unit);
    assert_eq!((current_pages(&ann).await, current_pages(&bob).await), (1, 0));
}

#[tokio::test]
async fn another_tenant_may_have_the_same_key() {
    let world = world().await;
    let (ours, theirs) = (customer(&world, PackageType::Gold).await, customer(&world, PackageType::Gold).await);

    use_pages(&ours, &["event"]).await;
    use_pages(&theirs, &["event"]).await;

    assert_eq!((current_pages(&ours).await, current_pages(&theirs).await), (1, 1));
}

#[tokio::test]
async fn a_webhook_counts_at_the_platform_unit_too() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    let unit = world.platform().await.unwrap();

    let used = unit.usage().use_page(&user.user.id, "event").await.unwrap();
    unit.commit().await.unwrap();

    assert_eq!((used.used, current_pages(&user).await), (1, 1));
}

#[tokio::test]
async fn without_a_package_nothing_may_be_used() {
    let world = world().await;
    let user = world.user().build().await.unwrap();
    let unit = user.unit().await.unwrap();

    let refused = unit.usage().use_page(&user.user.id, "event").await;

    assert!(matches!(refused, Err(Error::QuotaExceeded { limit: 0, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    let unit = user.unit().await.unwrap();
    for event in ["", "a\nb", "a\0b", &"x".repeat(256)] {
        let refused = unit.usage().use_page(&user.user.id, event).await;
        assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    }
    unit.usage().use_page(&user.user.id, &"ü".repeat(127)).await.unwrap();
}

#[tokio::test]
async fn a_period_that_has_ended_and_is_not_closed_is_closed_by_the_next_use() {
    let world = world().await;
    let user = customer(&world, PackageType::Silver).await;
    use_pages(&user, &["1", "2", "3"]).await;
    world.env().forward(TimeDelta::days(70));

    use_pages(&user, &["4"]).await;

    assert_eq!(archived_pages(&user, 2026, 1).await, Some(3));
    assert_eq!(archived_pages(&user, 2026, 2).await, Some(0));
    assert_eq!((current_pages(&user).await, close(&world).await), (1, 0));
}

#[tokio::test]
async fn a_month_is_archived_and_reset_together() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    let me = || user.user.id.clone();
    use_pages(&user, &["1", "2"]).await;
    assert_eq!(close(&world).await, 0, "the period has not ended");

    world.env().forward(TimeDelta::days(31));
    assert_eq!(close(&world).await, 1);
    assert_eq!(close(&world).await, 0, "closed once");

    let unit = user.unit().await.unwrap();
    let archived = unit.usage().find(&me(), 2026, 1).await.unwrap().unwrap();
    assert_eq!((archived.pages_used, archived.package_type), (2, PackageType::Gold));
    assert_eq!(archived.tenant_id, agency.agency.tenant_id);
    let after = unit.users().get(&me()).await.unwrap();
    assert_eq!((after.pages_used_this_period, after.blogs_used_this_period), (0, 0));
    assert_eq!(after.current_billing_period_start, user.user.current_billing_period_end);
}

/// Returns the ends of thirteen periods, closed by the job or by a use.
async fn ends(world: &World, by_use: bool) -> Vec<(u32, u32)> {
    let user = customer(world, PackageType::Platinum).await;
    let mut ends = Vec::new();
    for number in 0..13 {
        let unit = user.unit().await.unwrap();
        let row = unit.users().get(&user.user.id).await.unwrap();
        let end: DateTime<Utc> = row.current_billing_period_end.unwrap().into();
        drop(unit);
        ends.push((end.month(), end.day()));
        world.env().forward(end - world.env().now());
        if by_use {
            use_pages(&user, &[&number.to_string()]).await;
        }
        assert_eq!(close(world).await, u64::from(!by_use));
    }
    ends
}

const LAST_DAYS: [(u32, u32); 13] = [
    (2, 28),
    (3, 31),
    (4, 30),
    (5, 31),
    (6, 30),
    (7, 31),
    (8, 31),
    (9, 30),
    (10, 31),
    (11, 30),
    (12, 31),
    (1, 31),
    (2, 28),
];

#[tokio::test]
async fn a_period_that_begins_on_the_last_day_keeps_to_the_last_day() {
    for by_use in [false, true] {
        let world = world().await;
        // From 15 January to 31 January, the last day of the month.
        world.env().forward(TimeDelta::days(16));
        assert_eq!(ends(&world, by_use).await, LAST_DAYS);
    }
}

#[tokio::test]
async fn a_leap_years_february_has_its_29th() {
    for by_use in [false, true] {
        let world = world().await;
        // 30 January 2028.
        world.env().forward(TimeDelta::days(745));
        assert_eq!(ends(&world, by_use).await[..4], [(2, 29), (3, 30), (4, 30), (5, 30)]);
    }
}

#[tokio::test]
async fn months_that_were_missed_are_closed_one_by_one() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    world.env().forward(TimeDelta::days(100));

    assert_eq!(close(&world).await, 3);

    let unit = user.unit().await.unwrap();
    let months = unit.usage().list(Some(user.user.id.clone()), PageRequest::default()).await.unwrap().items;
    let mut months: Vec<_> = months.iter().map(|month| (month.year, month.month)).collect();
    months.sort_unstable();
    assert_eq!(months, [(2026, 1), (2026, 2), (2026, 3)]);
}

#[tokio::test]
async fn one_months_periods_are_closed_alone() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    use_pages(&user, &["1"]).await;
    world.env().forward(TimeDelta::days(100));
    let close = async |month: &str| {
        close_usage(&*world.store(), Some(month.parse().unwrap()), &Sweep::default()).await.unwrap().users
    };

    assert_eq!([close("2025-12").await, close("2026-02").await], [0, 0], "the first open period began in January");
    assert_eq!([close("2026-01").await, close("2026-01").await], [1, 0]);
    assert_eq!((archived_pages(&user, 2026, 1).await, archived_pages(&user, 2026, 2).await), (Some(1), None));
    assert_eq!([close("2026-02").await, close("2026-04").await], [1, 0], "April's has not ended");
}

#[tokio::test]
async fn a_dry_run_closes_nothing_and_a_limit_closes_so_many() {
    let world = world().await;
    for _ in 0..3 {
        customer(&world, PackageType::Gold).await;
    }
    world.env().forward(TimeDelta::days(31));
    let run = async |sweep: Sweep| close_usage(&*world.store(), None, &sweep).await.unwrap().users;

    assert_eq!(run(Sweep { dry_run: true, ..Sweep::default() }).await, 3);
    assert_eq!(run(Sweep { limit: Some(2), ..Sweep::default() }).await, 2);
    assert_eq!(run(Sweep::default()).await, 1);
}

#[tokio::test]
async fn a_second_close_of_the_same_month_adds_to_the_archived_row() {
    for by_use in [false, true] {
        let world = world().await;
        let user = customer(&world, PackageType::Gold).await;
        let mut sql = Sql::connect(world.url()).await;
        for event in ["1", "2"] {
            use_pages(&user, &[event]).await;
            // The old service ends the period early and starts a new one in the same month.
            sql.run(
                r#"UPDATE "User" SET "currentBillingPeriodStart" = '2026-01-02 00:00:00', "currentBillingPeriodEnd" = '2026-01-10 00:00:00' WHERE "activePackageType" IS NOT NULL"#,
            )
            .await;
            if by_use {
                let unit = user.unit().await.unwrap();
                unit.usage().use_blog(&user.user.id, &format!("blog-{event}")).await.unwrap();
                unit.commit().await.unwrap();
            }
            close(&world).await;
        }

        assert_eq!(archived_pages(&user, 2026, 1).await, Some(2));
    }
}

#[tokio::test]
async fn a_global_reset_for_one_instant_happens_once() {
    let world = world().await;
    let user = customer(&world, PackageType::Gold).await;
    let without_period = customer(&world, PackageType::Silver).await;
    use_pages(&user, &["1", "2"]).await;
    use_pages(&without_period, &["1"]).await;
    let mut sql = Sql::connect(world.url()).await;
    let clear = format!(
        r#"UPDATE "User" SET "currentBillingPeriodStart" = NULL, "currentBillingPeriodEnd" = NULL WHERE id = '{}'"#,
        without_period.user.id
    );
    sql.run(&clear).await;
    world.env().forward(TimeDelta::days(20));
    let at = world.env().now();
    let dry_run = Sweep { dry_run: true, ..Sweep::default() };
    assert_eq!(reset_usage(&*world.store(), at, &dry_run).await.unwrap().users, 2);
    let none = Sweep { limit: Some(0), ..Sweep::default() };
    assert_eq!(reset_usage(&*world.store(), at, &none).await.unwrap().users, 0);

    let runs = futures_util::future::join_all((0..4).map(|_| {
        let store = world.store();
        tokio::spawn(async move { reset_usage(&*store, at, &Sweep::default()).await.unwrap().users })
    }));
    let resets: u64 = runs.await.into_iter().map(Result::unwrap).sum();

    assert_eq!(resets, 2);
    assert_eq!(reset_usage(&*world.store(), at, &dry_run).await.unwrap().users, 0);
    assert_eq!(archived_pages(&user, 2026, 2).await, Some(2), "under the month of the reset");
    assert_eq!(archived_pages(&without_period, 2026, 2).await, Some(1));
    let unit = user.unit().await.unwrap();
    let row = unit.users().get(&user.user.id).await.unwrap();
    let (start, end) = (row.current_billing_period_start.unwrap().utc(), row.current_billing_period_end.unwrap().utc());
    drop(unit);
    assert_eq!((start, end), (at, "2026-03-04T12:00:00Z".parse().unwrap()));
    assert_eq!(current_pages(&user).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_closers_and_ten_counters_lose_and_double_nothing() {
    let world = world().await;
    let mut users = Vec::new();
    for _ in 0..5 {
        users.push(customer(&world, PackageType::Gold).await);
    }
    world.env().forward(TimeDelta::days(31));
    let store = world.store();
    let mut tasks = Vec::new();
    for number in 0..10 {
        let (store, user) = (store.clone(), users[number % 5].signed_in.clone());
        tasks.push(tokio::spawn(async move {
            for event in 0..5 {
                let unit = store.tenant(&TenantScope::of(&user, Origin::default())).await.unwrap();
                unit.usage().use_improvement(user.id(), &format!("{number}-{event}")).await.unwrap();
                unit.commit().await.unwrap();
            }
        }));
        let store = world.store();
        tasks.push(tokio::spawn(async move {
            close_usage(&*store, None, &Sweep::default()).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    close(&world).await;

    let mut sql = Sql::connect(world.url()).await;
    let months = sql.one(r#"SELECT CAST(count(*) AS text) FROM "MonthlyUsage""#).await;
    assert_eq!(months, "5", "each user's period once");
    let current = sql.one(r#"SELECT CAST(sum("improvementsUsedThisPeriod") AS text) FROM "User""#).await;
    let archived = sql.one(r#"SELECT CAST(sum("improvementsUsed") AS text) FROM "MonthlyUsage""#).await;
    let total = current.parse::<i64>().unwrap() + archived.parse::<i64>().unwrap();
    assert_eq!(total, 50, "{current} current, {archived} archived");
}

/// A random number generator (splitmix64) with a seed, so that a failure can be reproduced.
struct SeededRng(u64);

impl SeededRng {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Runs uses, closes and clock changes concurrently in random order, and kills some. In every committed state, each
/// remembered event is counted exactly once, and nothing else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archived_and_current_never_lose_or_double_a_unit() {
    let seed = std::env::var("RYLIE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand_seed);
    println!("RYLIE_SEED={seed}");
    let mut rng = SeededRng(seed);
    let world = world().await;
    let users = [customer(&world, PackageType::Platinum).await, customer(&world, PackageType::Gold).await];
    for _round in 0..12 {
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let store = world.store();
            let task = if rng.below(4) == 0 {
                tokio::spawn(async move { drop(close_usage(&*store, None, &Sweep::default()).await) })
            } else {
                let scope = users[usize::try_from(rng.below(2)).unwrap()].scope();
                let event = format!("event-{}", rng.below(60));
                tokio::spawn(async move {
                    let unit = store.tenant(&scope).await.unwrap();
                    if unit.usage().use_gbp_post(scope.user().id(), &event).await.is_ok() {
                        let _ = unit.commit().await;
                    }
                })
            };
            tasks.push(task);
        }
        for task in &tasks {
            for _ in 0..rng.below(200) {
                tokio::task::yield_now().await;
            }
            if rng.below(4) == 0 {
                task.abort();
            }
        }
        futures_util::future::join_all(tasks).await;
        world.env().forward(TimeDelta::days(i64::try_from(rng.below(40)).unwrap()));
        assert_each_event_was_counted_once(&world).await;
    }
}

fn rand_seed() -> u64 {
    u64::from(std::process::id()) ^ SystemEnv.now().timestamp_micros().cast_unsigned()
}

async fn assert_each_event_was_counted_once(world: &World) {
    let wrong = r#"SELECT u.id || ': ' || (u."gbpPostsUsedThisPeriod" + coalesce((SELECT sum(m."gbpPostsUsed") FROM "MonthlyUsage" m WHERE m."userId" = u.id), 0))
            || ' counted, ' || (SELECT count(*) FROM "UsageEvent" e WHERE e."userId" = u.id) || ' events'
        FROM "User" u
        WHERE u."gbpPostsUsedThisPeriod" + coalesce((SELECT sum(m."gbpPostsUsed") FROM "MonthlyUsage" m WHERE m."userId" = u.id), 0)
            <> (SELECT count(*) FROM "UsageEvent" e WHERE e."userId" = u.id)"#;
    assert_eq!(Sql::connect(world.url()).await.all(wrong).await, Vec::<String>::new());
}

/// Delivers one event in fifty concurrent calls, alternating between two users of the agency. Returns each outcome.
async fn deliver_to_two(
    world: &World,
    users: [&TestUser<'_>; 2],
    scopes: [TenantScope; 2],
) -> Vec<Result<Used, Error>> {
    let deliveries = (0..50).map(|number: usize| {
        let (store, scope, user) = (world.store(), scopes[number % 2].clone(), users[number % 2].user.id.clone());
        tokio::spawn(async move {
            let unit = store.tenant(&scope).await?;
            let used = unit.usage().use_page(&user, "event").await?;
            unit.commit().await.map(|()| used)
        })
    });
    futures_util::future::join_all(deliveries).await.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_two_colleagues_deliver_at_once_is_counted_once() {
    for by_the_administrator in [true, false] {
        let world = world().await;
        let agency = world.agency().await.unwrap();
        let ann = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
        let bob = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
        let scopes = if by_the_administrator { [agency.scope(), agency.scope()] } else { [ann.scope(), bob.scope()] };

        let outcomes = deliver_to_two(&world, [&ann, &bob], scopes).await;

        let counted = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Used { repeated: false, .. }))).count();
        let repeated = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Used { repeated: true, .. }))).count();
        let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Conflict { .. }))).count();
        assert_eq!((counted, repeated, refused), (1, 24, 25), "{outcomes:?}");
        assert_eq!(current_pages(&ann).await + current_pages(&bob).await, 1);
    }
}

#[tokio::test]
async fn an_event_stays_counted_in_its_agency_when_its_user_has_left() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let ann = world.user().of(&ours.agency).package(PackageType::Gold).build().await.unwrap();
    let bob = world.user().of(&ours.agency).package(PackageType::Gold).build().await.unwrap();
    let cleo = world.user().of(&theirs.agency).package(PackageType::Gold).build().await.unwrap();
    let pages = async |unit: &dyn TenantUnit, user: &TestUser<'_>| unit.usage().use_page(&user.user.id, "event").await;
    use_pages(&ann, &["event"]).await;
    use_pages(&cleo, &["event"]).await;

    let moved = format!(r#"UPDATE "User" SET "agencyId" = '{}' WHERE id = '{}'"#, theirs.agency.id, ann.user.id);
    Sql::connect(world.url()).await.run(&moved).await;

    let unit = ours.unit().await.unwrap();
    let again = pages(&*unit, &bob).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    drop(unit);
    let unit = theirs.unit().await.unwrap();
    assert!(pages(&*unit, &ann).await.unwrap().repeated && pages(&*unit, &cleo).await.unwrap().repeated);
    let counted = r#"SELECT CAST(sum("pagesUsedThisPeriod") AS text) FROM "User""#;
    assert_eq!(Sql::connect(world.url()).await.one(counted).await, "2");
}
