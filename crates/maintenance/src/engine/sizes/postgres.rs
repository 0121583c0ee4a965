//! Sizes on PostgreSQL.

use rylie_driver::code_of;
use rylie_entities::TENANT_TABLES;
use sqlx::{AssertSqlSafe, PgConnection};

use super::{Sizes, TableSize, TenantRows, by_tenant, count_tenants};
use crate::engine::run_postgres;

/// Finds a service's own tables by the check that their migration makes.
const OWN: &str = "SELECT c.relname::text FROM pg_class c JOIN pg_constraint k ON k.conrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace \
     AND k.contype = 'c' AND k.conname = c.relname || '_tenantId_check' ORDER BY 1";

/// Finds the tables with a tenant key.
const KEYED: &str = "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenantId' \
     AND NOT a.attisdropped WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')";

/// Selects the sizes. `total` includes everything stored outside the table's main file. The number of rows is the
/// larger of two estimates: one may be missing, and the other restarts with the server.
const TABLES: &str = "SELECT c.relname::text, pg_total_relation_size(c.oid), pg_relation_size(c.oid), \
       pg_indexes_size(c.oid), greatest(c.reltuples::bigint, s.n_live_tup, 0) \
     FROM pg_class c LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid \
     WHERE c.relkind IN ('r', 'm') AND c.relnamespace = 'public'::regnamespace ORDER BY 2 DESC, 1";

const PLATFORM: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_platform' AND pg_has_role(oid, \
     CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AND has_schema_privilege(oid, 'public', 'USAGE'))";

pub(super) async fn sizes(connection: &mut PgConnection, with_tenants: bool) -> sqlx::Result<Sizes> {
    let size = "SELECT pg_database_size(current_database())";
    let database_bytes = sqlx::query_scalar(size).fetch_one(&mut *connection).await?;
    let tables: Vec<(String, i64, i64, i64, i64)> = sqlx::query_as(TABLES).fetch_all(&mut *connection).await?;
    let tables: Vec<TableSize> = tables
        .into_iter()
        .map(|(name, total, table, index, rows)| TableSize { name, total, table, index, rows })
        .collect();
    let tenants = if with_tenants { tenants(connection, &tables).await? } else { None };
    Ok(Sizes { database_bytes, tables, tenants })
}

async fn tenants(connection: &mut PgConnection, tables: &[TableSize]) -> sqlx::Result<Option<Vec<TenantRows>>> {
    // Before an adoption the tables have no tenant key.
    let keyed: Vec<String> = sqlx::query_scalar(KEYED).fetch_all(&mut *connection).await?;
    if keyed.is_empty() && !tables.is_empty() {
        return Ok(None);
    }
    let there = |name: &str| tables.iter().any(|table| table.name == name) && keyed.iter().any(|table| table == name);
    let own: Vec<String> = sqlx::query_scalar(OWN).fetch_all(&mut *connection).await?;
    let ours = TENANT_TABLES.iter().map(|table| table.name).filter(|name| there(name));
    let tables: Vec<&str> = ours.chain(own.iter().map(String::as_str)).collect();
    if tables.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let platform: bool = sqlx::query_scalar(PLATFORM).fetch_one(&mut *connection).await?;
    run_postgres(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    if platform {
        run_postgres(connection, "SET LOCAL ROLE rylie_platform").await?;
    }
    let counts = sqlx::query_as(AssertSqlSafe(count_tenants(&tables))).fetch_all(&mut *connection).await;
    run_postgres(connection, "ROLLBACK").await?;
    match counts {
        Ok(counts) => Ok(Some(by_tenant(counts))),
        Err(error) if code_of(&error).as_deref() == Some("42501") => Ok(None),
        Err(error) => Err(error),
    }
}
