//! Mounts the behaviour on SQLite.

use rylie_testkit::World;

#[path = "behaviour.rs"]
mod behaviour;

async fn world() -> World {
    World::sqlite().await.unwrap()
}
