//! Mounts the behaviours on SQLite.

use rylie_db::own::Schema;
use rylie_testkit::World;

#[path = "behaviour.rs"]
mod behaviour;

async fn world(schema: Schema) -> World {
    World::sqlite_with(schema).await.unwrap()
}
