//! Mounts the behaviours of isolation on PostgreSQL without policies: the tenant filter holds alone.

use rylie_testkit::World;

#[path = "behaviour/isolation.rs"]
mod isolation;

async fn world() -> World {
    crate::isolation::world_without_policies().await.unwrap()
}
