//! Mounts the behaviours on PostgreSQL.

use rylie_testkit::World;

#[path = "behaviour/mod.rs"]
mod behaviour;
#[path = "behaviour/only_postgres/mod.rs"]
mod only_postgres;

async fn world() -> World {
    World::postgres().await.unwrap()
}
