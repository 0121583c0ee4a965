//! Mounts the behaviours on PostgreSQL behind a pooler in transaction mode.

use rylie_testkit::World;

#[path = "behaviour/mod.rs"]
mod behaviour;
#[path = "behaviour/only_postgres/mod.rs"]
mod only_postgres;

async fn world() -> World {
    World::postgres_behind_pooler().await.unwrap()
}
