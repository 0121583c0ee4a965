//! The time limit of a unit. PostgreSQL only: SQLite has no such limit.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;

use super::world;
use crate::support::rows;

#[tokio::test]
async fn a_units_own_time_limit_ends_its_statements() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    rows::add_requests(&world, &agency, 1, 50_000, "n").await;
    let (store, scope) = (world.store(), agency.scope());
    let unit = store.tenant(&scope).statement_timeout(Duration::from_millis(1)).await.unwrap();
    let asked = rows::ids(1, 5_000);
    let slow = unit.requests().set_status_many(&asked, RequestStatus::Completed).await;
    assert!(matches!(slow, Err(Error::Timeout)), "{slow:?}");
    drop(unit);

    // The limit ends with the unit.
    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.requests().set_status_many(&asked, RequestStatus::Completed).await.unwrap().changed, 5_000);
}
