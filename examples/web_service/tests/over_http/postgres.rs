//! Mounts the behaviour on PostgreSQL.

use rylie_testkit::World;

#[path = "behaviour.rs"]
mod behaviour;

async fn world() -> World {
    World::postgres().await.unwrap()
}
