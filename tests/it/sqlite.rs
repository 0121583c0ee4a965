//! Mounts the behaviours on SQLite.

use rylie_testkit::World;

#[path = "behaviour/mod.rs"]
mod behaviour;
#[path = "behaviour/only_sqlite/mod.rs"]
mod only_sqlite;

async fn world() -> World {
    World::sqlite().await.unwrap()
}
