//! Mounts the behaviours on PostgreSQL.

use rylie_db::own::Schema;
use rylie_testkit::World;

#[path = "behaviour.rs"]
mod behaviour;

async fn world(schema: Schema) -> World {
    World::postgres_with(schema).await.unwrap()
}
