//! Each entity has exactly the columns of its table, by name, type and nullability, on both engines.

use rylie_db::entities::{EntityColumn, EntityTable, tables};
use rylie_testkit::World;

use crate::support::sql::{Sql, is_sqlite};

/// Lists `name type null`, in a form that both engines' catalogs are converted to.
fn expected(table: &EntityTable, sqlite: bool) -> Vec<String> {
    let kind = |column: &EntityColumn| {
        if sqlite { column.sqlite_kind.to_lowercase() } else { column.kind.clone() }
    };
    let mut columns: Vec<_> =
        table.columns.iter().map(|column| format!("{} {} {}", column.name, kind(column), column.nullable)).collect();
    columns.sort();
    columns
}

async fn found(sql: &mut Sql, sqlite: bool, table: &str) -> Vec<String> {
    let columns = if sqlite {
        format!(
            "SELECT name || ' ' || lower(type) || ' ' || CASE \"notnull\" WHEN 0 THEN 'true' ELSE 'false' END FROM pragma_table_info('{table}')"
        )
    } else {
        format!(
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || (NOT attnotnull)::text FROM pg_attribute \
             WHERE attrelid = '\"{table}\"'::regclass AND attnum > 0 AND NOT attisdropped"
        )
    };
    let mut columns = sql.all(&columns).await;
    columns.sort();
    columns
}

async fn compare_all(world: World) {
    let sqlite = is_sqlite(world.url());
    let mut sql = Sql::connect(world.url()).await;
    for table in tables() {
        assert_eq!(found(&mut sql, sqlite, &table.name).await, expected(&table, sqlite), "{}", table.name);
    }

    // The reverse: finds a new table without an entity.
    let query = if sqlite {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    } else {
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    };
    let mut found = sql.all(query).await;
    // Internal tables without a repository. The operational tables are read and written by statements, not as entities.
    // Triggers write the numbers of requests.
    found.retain(|table| {
        !["seaql_migrations", "RequestCount"].contains(&table.as_str()) && !table.starts_with("rylie_")
    });
    found.sort();
    assert_eq!(found, tables().into_iter().map(|table| table.name).collect::<Vec<_>>());
}

#[tokio::test]
async fn every_entity_is_its_table_on_sqlite() {
    compare_all(World::sqlite().await.unwrap()).await;
}

#[tokio::test]
async fn every_entity_is_its_table_on_postgres() {
    compare_all(World::postgres().await.unwrap()).await;
}
