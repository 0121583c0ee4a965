//! Each entity has exactly the columns of its table, by name, type and nullability, on both engines.

use rylie_db::entities;
use rylie_testkit::World;
use sea_orm::sea_query::ColumnType;
use sea_orm::{ColumnTrait, EntityName, EntityTrait, IdenStatic, Iterable};

use crate::migration::sql::{Sql, is_sqlite};

/// Lists `name type null`, in a form that both engines' catalogs are converted to.
fn expected<E: EntityTrait>() -> Vec<String> {
    let mut columns: Vec<_> = E::Column::iter()
        .map(|column| {
            let definition = column.def();
            let kind = match definition.get_column_type() {
                ColumnType::Text => "text".to_owned(),
                ColumnType::Integer => "integer".to_owned(),
                ColumnType::BigInteger => "bigint".to_owned(),
                ColumnType::Boolean => "boolean".to_owned(),
                ColumnType::JsonBinary => "json".to_owned(),
                ColumnType::Timestamp => "timestamp".to_owned(),
                ColumnType::Enum { name, .. } => format!("enum {name}"),
                other => panic!("{}: no column has the type {other:?}", column.as_str()),
            };
            format!("{} {kind} {}", column.as_str(), definition.is_null())
        })
        .collect();
    columns.sort();
    columns
}

async fn found(sql: &mut Sql, sqlite: bool, table: &str) -> Vec<String> {
    let mut columns: Vec<_> = if sqlite {
        sql.all(&format!("SELECT name || ' ' || lower(type) || ' ' || CASE \"notnull\" WHEN 0 THEN 'true' ELSE 'false' END FROM pragma_table_info('{table}')"))
            .await
            .into_iter()
            // Not `JSON`: SQLite would treat that as a numeric type.
            .map(|line| line.replace(" json_text ", " json "))
            .collect()
    } else {
        sql.all(&format!(
            "SELECT attname || ' ' || CASE WHEN t.typtype = 'e' THEN 'enum ' || t.typname ELSE format_type(a.atttypid, a.atttypmod) END \
             || ' ' || (NOT attnotnull)::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
             WHERE attrelid = '\"{table}\"'::regclass AND attnum > 0 AND NOT attisdropped"
        ))
        .await
        .into_iter()
        .map(|line| line.replace("timestamp(3) without time zone", "timestamp").replace(" jsonb ", " json "))
        .collect()
    };
    columns.sort();
    columns
}

async fn compare<E: EntityTrait + Default>(world: &World) {
    let sqlite = is_sqlite(world.url());
    let table = E::default().table_name().to_owned();
    let mut sql = Sql::connect(world.url()).await;
    let mut expected = expected::<E>();
    if sqlite {
        // SQLite stores an enum as text, with a check on its labels.
        expected = expected.iter().map(|line| with_enum_as_text(line)).collect();
    }
    assert_eq!(found(&mut sql, sqlite, &table).await, expected, "{table}");
}

fn with_enum_as_text(line: &str) -> String {
    match line.split_once(" enum ") {
        Some((name, rest)) => format!("{name} text {}", rest.split(' ').next_back().unwrap_or_default()),
        None => line.to_owned(),
    }
}

async fn compare_all(world: World) {
    macro_rules! each {
        ($($module:ident,)+) => {{
            $(compare::<entities::$module::Entity>(&world).await;)+
            [$(entities::$module::Entity.table_name().to_owned(),)+]
        }};
    }
    let mut compared = each!(
        account,
        agency,
        audit_log,
        ga4_connection,
        monthly_usage,
        request,
        search_console_connection,
        seoworks_task_mapping,
        session,
        system_settings,
        task,
        usage_event,
        user,
        user_preferences,
        verification_token,
    );
    compared.sort();

    // The reverse: finds a new table without an entity.
    let tables = if is_sqlite(world.url()) {
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    } else {
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    };
    let mut tables = Sql::connect(world.url()).await.all(tables).await;
    // Internal tables without a repository. The operational tables are read and written by statements, not as entities.
    tables.retain(|table| table != "seaql_migrations" && !table.starts_with("rylie_"));
    tables.sort();
    assert_eq!(tables, compared);
}

#[tokio::test]
async fn every_entity_is_its_table_on_sqlite() {
    compare_all(World::sqlite().await.unwrap()).await;
}

#[tokio::test]
async fn every_entity_is_its_table_on_postgres() {
    compare_all(World::postgres().await.unwrap()).await;
}
