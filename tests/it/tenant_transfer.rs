//! Moves a tenant from one engine to the other, with helpers that compare rows on each engine.

use ring::digest::{SHA256, digest};
use rylie_db::prelude::*;
use rylie_testkit::World;
use serde_json::Value;

use crate::migration::sql::{Sql, is_sqlite};

/// Returns every table with a tenant key, ordered by name, from the schema.
pub(crate) async fn tables_with_a_tenant(sql: &mut Sql, url: &str) -> Vec<String> {
    let asked = if is_sqlite(url) {
        "SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = 'tenantId' ORDER BY 1"
    } else {
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind IN ('r', 'p') \
         AND c.relnamespace = 'public'::regnamespace AND a.attname = 'tenantId' ORDER BY c.relname COLLATE \"C\""
    };
    sql.all(asked).await
}

/// Returns the rows of a table, each as text with every byte of every column.
pub(crate) async fn dump(sql: &mut Sql, url: &str, table: &str, condition: &str) -> Vec<String> {
    if !is_sqlite(url) {
        return sql
            .all(&format!("SELECT '{table} ' || t::text FROM \"{table}\" t WHERE {condition} ORDER BY id"))
            .await;
    }
    let columns = sql.all(&format!("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('{table}')")).await;
    let columns = columns.join(" || ',' || ");
    sql.all(&format!("SELECT '{table} ' || {columns} FROM \"{table}\" WHERE {condition} ORDER BY id")).await
}

/// Returns the lines of a tenant file with an updated digest.
pub(crate) fn seal(mut lines: Vec<String>) -> Vec<String> {
    let mut end: Value = serde_json::from_str(&lines.pop().unwrap()).unwrap();
    let text = lines.join("\n") + "\n";
    let sha256: Vec<_> = digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    end["end"]["sha256"] = sha256.concat().into();
    lines.push(end.to_string());
    lines
}

#[tokio::test]
async fn a_tenant_moves_from_sqlite_to_postgresql_and_back() {
    let (sqlite, postgres) = (World::sqlite().await.unwrap(), World::postgres().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let agency = sqlite.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.tasks().add(&request.id, NewTask::new("a task", TaskType::GbpPost)).await.unwrap();
    unit.commit().await.unwrap();
    let tenant = &agency.agency.tenant_id;
    let mut sql = Sql::connect(sqlite.url()).await;
    let mut rows = Vec::new();
    for table in ["Agency", "User", "Request", "Task"] {
        rows.extend(dump(&mut sql, sqlite.url(), table, "true").await);
    }
    let path = |name: &str| folder.path().join(name);
    let none = Progress::none();

    let out = sqlite.database().export_tenant(tenant, &path("there"), None, &none).await.unwrap();
    let there = postgres.database().import_tenant(&path("there"), &none).await.unwrap();
    sqlite.database().erase_tenant(tenant).await.unwrap();
    postgres.database().export_tenant(tenant, &path("back"), None, &none).await.unwrap();
    sqlite.database().import_tenant(&path("back"), &none).await.unwrap();

    // The other database has another keyring, so the file's seal is not valid there: sessions are left out.
    let left_out = |table: &str| there.left_out.get(table).copied().unwrap_or_default();
    assert!(there.rows.iter().all(|(table, rows)| out[table] == rows + left_out(table)), "{there:?}");
    assert_eq!((there.left_out.len(), left_out("Session")), (1, 1), "{there:?}");
    let mut again = Vec::new();
    for table in ["Agency", "User", "Request", "Task"] {
        again.extend(dump(&mut sql, sqlite.url(), table, "true").await);
    }
    // PostgreSQL formats JSON differently; nothing else differs.
    assert_eq!(again, rows);
}

/// An adopted database may have columns unknown to us: they belong to the tenant too.
#[tokio::test]
async fn columns_that_only_an_adopted_database_has_come_along() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    sql.run("ALTER TABLE \"Agency\" ADD COLUMN metadata jsonb, ADD COLUMN \"odd \"\"name\" numeric(9,2)[], ADD COLUMN since date").await;
    sql.run("UPDATE \"Agency\" SET metadata = '{\"big\": 12345678901234567890.5}', \"odd \"\"name\" = '{1.50,NULL}', since = '2020-02-29'").await;
    let before = dump(&mut sql, world.url(), "Agency", "true").await;
    let folder = tempfile::tempdir().unwrap();
    let (tenant, file, none) = (&agency.agency.tenant_id, folder.path().join("file"), Progress::none());

    world.database().export_tenant(tenant, &file, None, &none).await.unwrap();
    world.database().erase_tenant(tenant).await.unwrap();
    world.database().import_tenant(&file, &none).await.unwrap();

    assert_eq!(dump(&mut sql, world.url(), "Agency", "true").await, before);
}
