//! Sizes on SQLite.

use std::collections::HashMap;

use rylie_driver::quoted;
use rylie_entities::TENANT_TABLES;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{Sizes, TableSize, by_tenant, count_tenants};
use crate::engine::pragma;

/// Selects the sizes of the pages of each table and index, aggregated by the engine.
const PAGES: &str = "SELECT s.type, s.tbl_name, d.pgsize FROM dbstat d JOIN sqlite_schema s ON s.name = d.name \
     WHERE d.aggregate = TRUE";

const NAMES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

/// Finds a service's own tables by the check that their migration makes.
const OWN: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' AND instr(sql, '\"' || name || '_tenantId_check\" CHECK') > 0 ORDER BY 1";

pub(super) async fn sizes(connection: &mut SqliteConnection, with_tenants: bool) -> sqlx::Result<Sizes> {
    let database_bytes = pragma(connection, "page_count").await? * pragma(connection, "page_size").await?;
    let names: Vec<String> = sqlx::query_scalar(NAMES).fetch_all(&mut *connection).await?;
    let pages: Vec<(String, String, i64)> = sqlx::query_as(PAGES).fetch_all(&mut *connection).await?;
    let mut bytes: HashMap<String, (i64, i64)> = HashMap::new();
    for (kind, table, size) in pages {
        let of = bytes.entry(table).or_default();
        *(if kind == "table" { &mut of.0 } else { &mut of.1 }) += size;
    }
    let mut tables = Vec::new();
    for name in names {
        let count = format!("SELECT count(*) FROM {}", quoted(&name));
        let rows = sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await?;
        let (table, index) = bytes.get(&name).copied().unwrap_or_default();
        tables.push(TableSize { name, total: table + index, table, index, rows });
    }
    tables.sort_by(|one, other| other.total.cmp(&one.total).then_with(|| one.name.cmp(&other.name)));
    let there = |name: &str| tables.iter().any(|table| table.name == name);
    let own: Vec<String> = sqlx::query_scalar(OWN).fetch_all(&mut *connection).await?;
    let ours = TENANT_TABLES.iter().map(|table| table.name).filter(|name| there(name));
    let of_tenants: Vec<&str> = ours.chain(own.iter().map(String::as_str)).collect();
    let tenants = if !with_tenants {
        None
    } else if of_tenants.is_empty() {
        Some(Vec::new())
    } else {
        Some(by_tenant(sqlx::query_as(AssertSqlSafe(count_tenants(&of_tenants))).fetch_all(connection).await?))
    };
    Ok(Sizes { database_bytes, tables, tenants })
}
