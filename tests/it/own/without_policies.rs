//! Mounts the isolation on PostgreSQL without policies: the tenant filter holds alone.

use rylie_db::own::Schema;
use rylie_testkit::World;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

#[path = "isolation.rs"]
mod isolation;

async fn world(schema: Schema) -> World {
    let tables: Vec<_> = schema.tables().iter().map(|table| table.name).collect();
    let world = World::postgres_with(schema).await.unwrap();
    let mut raw = PgConnection::connect(world.url()).await.unwrap();
    for table in tables.into_iter().chain(["Request", "User"]) {
        let sql = format!("ALTER TABLE \"{table}\" DISABLE ROW LEVEL SECURITY");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut raw).await.unwrap();
    }
    world
}
