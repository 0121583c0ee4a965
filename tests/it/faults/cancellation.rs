//! A cancelled caller leaves no connection inside a transaction.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_testkit::{Cluster, DelayProxy, OnCommit, World};
use sqlx::{Connection, PgConnection};

/// The approximate bytes of a `BEGIN` with role and tenant, and of the rollback after it.
const BEGIN_BYTES: u64 = 130;

/// Counts connections that are idle in a transaction.
async fn left_open(url: &str) -> i64 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
         AND state LIKE 'idle in transaction%'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap()
}

/// Sets up a proxy, so that `BEGIN` is on the wire when the caller is cancelled.
async fn slow(world: &World) -> (DelayProxy, Config) {
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let url = world.url_through(&proxy).unwrap();
    let config = Config::builder().set("database_url", url).unwrap().set("max_connections", 10).unwrap();
    (proxy, config.build().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cancelled_begins_poison_no_connection() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let (proxy, config) = slow(&world).await;
    let database = Database::connect(config).await.unwrap();
    let (store, scope) = (database.store(), agency.scope());
    // Fill the pool first, so that `BEGIN` is slow and not the connecting.
    let full: Vec<_> = futures_util::future::join_all((0..10).map(|_| store.tenant(&scope).into_future())).await;
    drop(full);

    let (sent, mut given_up) = (proxy.bytes_to_server(), 0);
    for round in 0..1_000_u64 {
        proxy.delay_to_server(Duration::from_millis(5 + round % 4));
        // On a busy machine the answer may come first. That unit is dropped and not counted.
        given_up += u32::from(tokio::time::timeout(Duration::from_millis(2), store.tenant(&scope)).await.is_err());
    }
    proxy.delay_to_server(Duration::ZERO);
    let begins = (proxy.bytes_to_server() - sent) / BEGIN_BYTES;
    assert!(given_up > 900 && begins > 500, "{given_up} callers gave up, {begins} of them after BEGIN was sent");

    // Each acknowledged write is visible to all.
    for _ in 0..4 {
        let unit = store.tenant(&scope).await.unwrap();
        let new = NewRequest::new("t", RequestKind::Page);
        let request = unit.requests().add(new).await.unwrap();
        unit.commit().await.unwrap();
        let unit = agency.unit().await.unwrap();
        assert!(unit.requests().find(&request.id).await.unwrap().is_some());
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(left_open(world.url()).await, 0);
}

/// The driver's own `begin` has the problem: if it were immune, our workaround would be unnecessary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drivers_own_begin_is_poisoned_by_the_same() {
    let world = World::postgres().await.unwrap();
    let (proxy, config) = slow(&world).await;
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    let pool = options.connect(config.database_url()).await.unwrap();
    proxy.delay_to_server(Duration::from_millis(20));

    assert!(tokio::time::timeout(Duration::from_millis(5), pool.begin()).await.is_err());
    proxy.delay_to_server(Duration::ZERO);
    sqlx::query(r#"INSERT INTO "Agency" (id, name, "updatedAt") VALUES ('lost', 'n', now())"#)
        .execute(&pool)
        .await
        .unwrap();

    let mut beside = PgConnection::connect(world.url()).await.unwrap();
    let seen: i64 = sqlx::query_scalar(r#"SELECT count(*) FROM "Agency""#).fetch_one(&mut beside).await.unwrap();
    assert_eq!(seen, 0, "acknowledged and visible: the driver has been mended, look at ours again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_died_are_replaced_without_an_error() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let (proxy, config) = slow(&world).await;
    let database = Database::connect(config).await.unwrap();
    let (store, scope) = (database.store(), agency.scope());
    drop(store.tenant(&scope).await.unwrap());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let opened = proxy.connections();

    proxy.sever().await;

    let unit = store.tenant(&scope).await.unwrap();
    assert!(proxy.connections() > opened, "no connection was replaced");
    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_the_commit_changes_nothing_and_one_lost_during_it_says_so() {
    use rylie_db::repositories::Error;

    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let (proxy, config) = slow(&world).await;
    let database = Database::connect(config).await.unwrap();
    let new = || NewRequest::new("t", RequestKind::Page);

    let unit = database.store().tenant(&agency.scope()).await.unwrap();
    unit.requests().add(new()).await.unwrap();
    proxy.sever().await;
    let lost = unit.requests().add(new()).await.unwrap_err();
    assert!(matches!(lost, Error::ConnectionLost(_)) && lost.is_retryable(), "{lost:?}");
    drop(unit);
    let listed = agency.unit().await.unwrap().requests().list(RequestFilter::default(), PageRequest::default()).await;
    assert_eq!(listed.unwrap().total, 0, "the request that the unit added before its connection was lost");

    // The server may have the commit or not; its answer is lost.
    for (fault, done) in [(OnCommit::CutBefore, false), (OnCommit::CutAnswer, true)] {
        let unit = database.store().tenant(&agency.scope()).await.unwrap();
        let request = unit.requests().add(new()).await.unwrap();
        let commits = proxy.commits();
        proxy.on_commit(fault);
        let unknown = unit.commit().await.unwrap_err();
        proxy.on_commit(OnCommit::Pass);
        assert!(matches!(unknown, Error::OutcomeUnknown(_)) && !unknown.is_retryable(), "{unknown:?}");
        assert_eq!(proxy.commits(), commits + 1, "the commit was sent");
        let unit = agency.unit().await.unwrap();
        assert_eq!(unit.requests().find(&request.id).await.unwrap().is_some(), done, "{fault:?}");
    }
}

/// Runs two hundred tasks on four server connections and cancels many: no task sees another's state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_callers_behind_a_pooler_leave_nothing_to_each_other() {
    let world = World::postgres_behind_pooler().await.unwrap();
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let requests = [ours.request().await.unwrap(), theirs.request().await.unwrap()];
    let (store, scopes) = (world.store(), [ours.scope(), theirs.scope()]);

    let finished = futures_util::future::join_all((0..200_u64).map(|task| {
        let side = usize::from(task % 2 == 0);
        let (store, scope) = (std::sync::Arc::clone(&store), scopes[side].clone());
        let (own, foreign) = (requests[side].id.clone(), requests[1 - side].id.clone());
        async move {
            let work = async {
                let unit = store.tenant(&scope).await.unwrap();
                assert!(unit.requests().find(&foreign).await.unwrap().is_none());
                assert!(unit.requests().find(&own).await.unwrap().is_some());
                unit.requests().set_status(&own, RequestStatus::InProgress).await.unwrap();
            };
            let patience = if task % 4 < 2 { Duration::from_millis(task % 17) } else { Duration::from_mins(1) };
            tokio::time::timeout(patience, work).await.is_ok()
        }
    }))
    .await;

    let finished = finished.into_iter().filter(|finished| *finished).count();
    assert!((100..200).contains(&finished), "{finished} of 200 were left to finish");
    let unit = ours.unit().await.unwrap();
    let seen = unit.requests().get(&requests[0].id).await.unwrap();
    assert_eq!(seen.status, RequestStatus::Pending, "no task committed");
    drop(unit);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(left_open(world.url()).await, 0);
}

/// Session settings of a migration would stay on the pooler's connection, for its next user.
#[tokio::test]
async fn migrations_are_refused_behind_a_pooler() {
    let world = World::postgres_behind_pooler().await.unwrap();

    let refused = world.database().migrations().await.unwrap_err();

    assert!(refused.to_string().contains("behind_pooler"), "{refused}");
    assert!(world.database().health().await.unwrap().is_ready());
}
