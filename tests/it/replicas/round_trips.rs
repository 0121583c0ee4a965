//! The round trips of a replica, counted on the wire.

use std::sync::Arc;

use rylie_db::prelude::*;
use rylie_testkit::{DelayProxy, World};

use super::{REPLICA, add_request, caught_up, replica};

/// Counts the round trips to a server that the caller of `work` waits for. The only connection becomes free after the
/// end of the previous unit, here that of `settled`, which is one round trip.
async fn counted(proxy: &DelayProxy, settled: impl AsyncFn() -> Box<dyn TenantUnit>, work: impl AsyncFn()) -> u64 {
    work().await;
    work().await;
    let settled = settled().await;
    let before = proxy.round_trips() + 1;
    drop(settled);
    work().await;
    proxy.round_trips() - before
}

#[tokio::test]
async fn a_unit_on_the_replica_opens_in_one_round_trip_and_a_position_costs_none_in_a_commit() {
    let replica = replica().await;
    let world = World::postgres_with_replica(&replica).await.unwrap();
    let agency = world.agency().await.unwrap();
    let (scope, to_replica) = (agency.scope(), DelayProxy::start(replica.address()).await.unwrap());
    let to_primary = DelayProxy::start(replica.primary().address()).await.unwrap();
    let (primary, replica_url) = (world.url_through(&to_primary).unwrap(), world.url_through(&to_replica).unwrap());
    // The servers are probed at most once a second.
    let settings = [
        ("database_url", primary.as_str()),
        ("replica_urls", &replica_url),
        ("replica_max_lag_seconds", "3600"),
        ("max_connections", "1"),
    ];
    let database = world.connect_with_settings(&settings).await.unwrap();
    let store: Arc<dyn Store> = database.store();
    let (request, position) = add_request(&*store, &scope).await;
    caught_up(&*store, &scope).await;

    let read = async || {
        let unit = store.tenant(&scope).read_only().after(position).await.unwrap();
        assert!(unit.requests().find(&request).await.unwrap().is_some());
        assert_eq!(unit.server(), REPLICA);
    };
    let by_id = async |unit: Box<dyn TenantUnit>| {
        assert!(unit.requests().find(&request).await.unwrap().is_some());
    };
    let alone = async || by_id(store.tenant(&scope).read_only().autocommit().on_primary().await.unwrap()).await;
    let alone_on_replica =
        async || by_id(store.tenant(&scope).read_only().autocommit().after(position).await.unwrap()).await;
    let commit = async || {
        let unit = store.tenant(&scope).await.unwrap();
        unit.requests().set_status(&request, RequestStatus::InProgress).await.unwrap();
        unit.commit().await.unwrap();
    };
    let commit_with_position = async || {
        let unit = store.tenant(&scope).await.unwrap();
        unit.requests().set_status(&request, RequestStatus::InProgress).await.unwrap();
        unit.commit_with_position().await.unwrap();
    };
    let on_replica = async || store.tenant(&scope).read_only().await.unwrap();
    let on_primary = async || store.tenant(&scope).read_only().on_primary().await.unwrap();
    // Probes may run in between; the minimum of several runs excludes them.
    let mut least = [u64::MAX; 5];
    for _ in 0..10 {
        least[0] = least[0].min(counted(&to_replica, on_replica, read).await);
        least[1] = least[1].min(counted(&to_primary, on_primary, commit).await);
        least[2] = least[2].min(counted(&to_primary, on_primary, commit_with_position).await);
        least[3] = least[3].min(counted(&to_primary, on_primary, alone).await);
        least[4] = least[4].min(counted(&to_replica, on_replica, alone_on_replica).await);
    }
    assert_eq!(least[0], 2, "to begin, and to read");
    assert_eq!((least[1], least[2]), (2 + STATEMENTS, 2 + STATEMENTS), "the position travels with the commit");

    assert_eq!((least[3], least[4]), (1, 2), "one statement on the primary, a transaction on the replica");

    let before = to_primary.round_trips();
    for _ in 0..20 {
        read().await;
    }
    assert!(to_primary.round_trips() - before < 20, "nothing is asked of the primary for a read on the replica");
}

/// Reads and changes the request.
const STATEMENTS: u64 = 2;
