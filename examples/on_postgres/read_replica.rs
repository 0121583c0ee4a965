//! Reads from a streaming replica, and sees what was written before:
//! `cargo run -p rylie-examples-on-postgres --example read_replica`.
//!
//! It starts a private primary and a replica from the installed programs and removes both at the end.

use std::error::Error;
use std::time::Duration;

use rylie_db::prelude::*;
use rylie_testkit::{Cluster, Replica, World};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let replica = Replica::of(&Cluster::private().await?).await?;
    let world = World::postgres_with_replica(&replica).await?;
    // As the settings `database_url` and `replica_urls` do in a service.
    let database = world.connect_with_settings(&[]).await?;
    let scope = world.agency().await?.scope();

    let unit = database.tenant(&scope).await?;
    let request = unit.requests().add(NewRequest::new("A page about replicas", RequestKind::Page)).await?;
    let written = unit.commit_with_position().await?;
    println!("written on the primary, at position {written}");

    // A replica that has not come that far is passed over, so the row is seen in any case.
    let unit = database.tenant(&scope).read_only().after(written).await?;
    let seen = unit.requests().find(&request.id).await?.is_some();
    println!("read from the {}: seen is {seen}", unit.server());
    assert!(seen);
    // A unit keeps its connection until it is dropped, and `close` waits for it.
    drop(unit);

    tokio::time::sleep(Duration::from_secs(2)).await;
    let unit = database.tenant(&scope).read_only().await?;
    println!("later read from the {}", unit.server());
    drop(unit);
    for state in database.replicas() {
        println!("the replica is {:?} behind", state.behind);
    }
    database.close().await;
    Ok(())
}
