//! How large the database is: the whole, each table, each tenant.

mod growth;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::{Engine, Session};
use crate::error::{Error, Result};

pub use growth::{Growth, growth, keep_sizes};

/// Sizes at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Sizes {
    /// Bytes of the database on disk.
    pub database_bytes: i64,
    /// Its tables, the largest first.
    pub tables: Vec<TableSize>,
    /// Rows of each tenant by table, as far as this login sees them; none if it was not asked for, or may not look.
    pub tenants: Option<Vec<TenantRows>>,
}

/// A table's size, in bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// All of it.
    pub total: i64,
    /// Its rows.
    pub table: i64,
    /// Its indexes.
    pub index: i64,
    /// How many rows: estimated by PostgreSQL, counted on SQLite.
    pub rows: i64,
}

/// How many rows a tenant has.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TenantRows {
    /// The tenant key.
    pub tenant: String,
    /// All of them.
    pub total: i64,
    /// By table.
    pub rows: BTreeMap<String, i64>,
}

/// Measures. Changes nothing, and takes no more than a login that may connect; counting the tenants' rows takes one that
/// may read them, and time in proportion to them.
pub async fn sizes(engine: &Engine, with_tenants: bool) -> Result<Sizes> {
    let failed = Error::engine("measuring the database");
    match engine.connect().await? {
        Session::Postgres(mut connection, watch) => {
            watch.over(async { postgres::sizes(&mut connection, with_tenants).await.map_err(failed) }).await
        }
        Session::Sqlite(mut connection) => sqlite::sizes(&mut connection, with_tenants).await.map_err(failed),
    }
}

/// The rows of each tenant in each of these tables, as one statement.
fn count_tenants(tables: &[&str]) -> String {
    let each = tables.iter().map(|table| {
        format!("SELECT \"tenantId\" AS tenant, '{table}' AS name, count(*) AS n FROM \"{table}\" GROUP BY 1")
    });
    each.collect::<Vec<_>>().join(" UNION ALL ")
}

fn by_tenant(counts: Vec<(String, String, i64)>) -> Vec<TenantRows> {
    let mut tenants: BTreeMap<String, TenantRows> = BTreeMap::new();
    for (tenant, table, rows) in counts {
        let of = tenants.entry(tenant.clone()).or_insert_with(|| TenantRows { tenant, ..TenantRows::default() });
        of.total += rows;
        of.rows.insert(table, rows);
    }
    let mut tenants: Vec<_> = tenants.into_values().collect();
    tenants.sort_by_key(|tenant| std::cmp::Reverse(tenant.total));
    tenants
}
