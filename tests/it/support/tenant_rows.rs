//! Tenants' rows as text, and the lines of a tenant file.

use chrono::TimeDelta;
use ring::digest::{SHA256, digest};
use rylie_db::prelude::*;
use rylie_db::repositories::{NewGa4Connection, NewSeoWorksMapping, PreferencesChanges};
use rylie_testkit::{TestAgency, World};
use serde_json::Value;

use super::sql::{Sql, is_sqlite};

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

/// Creates an agency with at least one row in every tenant-owned table.
pub(crate) async fn full_agency(world: &World) -> TestAgency<'_> {
    let agency = world.agency().await.unwrap();
    let user = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    let me = || user.user.id.clone();
    let request = user.request().await.unwrap();
    let unit = user.unit().await.unwrap();
    unit.tasks().add(&request.id, NewTask::new("wörk \"quoted\"\nline", TaskType::Page)).await.unwrap();
    let mapping =
        NewSeoWorksMapping { request: request.id.clone(), seoworks_task: me().to_string(), kind: "page".into() };
    unit.seoworks_mappings().add(mapping).await.unwrap();
    unit.preferences().save(&me(), PreferencesChanges::default()).await.unwrap();
    let connection = NewGa4Connection::new(Secret::from("canary-access"));
    unit.ga4_connections().save(connection).await.unwrap();
    unit.usage().use_page(&me(), "event").await.unwrap();
    unit.commit().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let copied = format!(
        r#"INSERT INTO "SearchConsoleConnection" (id, "userId", "accessToken", "createdAt", "updatedAt", "tenantId")
           SELECT 'copy-' || id, "userId", "accessToken", "createdAt", "updatedAt", "tenantId" FROM "GA4Connection" WHERE "userId" = '{}'"#,
        me()
    );
    sql.run(&copied).await;
    let account = format!(
        r#"INSERT INTO "Account" (id, "userId", type, provider, "providerAccountId", "expires_at") VALUES ('account-{0}', '{0}', 'oauth', 'google', '{0}', 7)"#,
        me()
    );
    sql.run(&account).await;
    world.env().forward(TimeDelta::days(31));
    rylie_db::maintenance::close_usage(&*world.store(), None, &rylie_db::maintenance::Sweep::default()).await.unwrap();
    agency
}

/// Returns every row of every table except the audit log: the tenant's, then the others'.
pub(crate) async fn everything(world: &World, tenant: &TenantId) -> [Vec<String>; 2] {
    let mut sql = Sql::connect(world.url()).await;
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for table in tables_with_a_tenant(&mut sql, world.url())
        .await
        .iter()
        .filter(|table| !["AuditLog", "RequestCount"].contains(&table.as_str()))
    {
        own.extend(dump(&mut sql, world.url(), table, &format!("\"tenantId\" = '{}'", tenant.as_str())).await);
        others.extend(dump(&mut sql, world.url(), table, &format!("\"tenantId\" <> '{}'", tenant.as_str())).await);
    }
    others.extend(dump(&mut sql, world.url(), "SystemSettings", "true").await);
    [own, others]
}
