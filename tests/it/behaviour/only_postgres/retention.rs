//! Retention with concurrent writers. PostgreSQL only: SQLite has one writer at a time.

use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::maintenance::{Sweep, purge_deleted};

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
