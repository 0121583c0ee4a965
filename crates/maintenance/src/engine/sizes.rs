//! Sizes of the database, its tables and its tenants.

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
    /// Number of rows of each tenant by table, as far as this login may read them. `None` if not requested or not
    /// allowed.
    pub tenants: Option<Vec<TenantRows>>,
}

/// A table's size, in bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TableSize {
    /// Its name.
    pub name: String,
    /// Total size.
    pub total: i64,
    /// Size of its rows.
    pub table: i64,
    /// Size of its indexes.
    pub index: i64,
    /// Number of rows: estimated by PostgreSQL, counted on SQLite.
    pub rows: i64,
}

/// The number of rows of a tenant.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct TenantRows {
    /// The tenant key.
    pub tenant: String,
    /// Total number.
    pub total: i64,
    /// Number by table.
    pub rows: BTreeMap<String, i64>,
}

/// Measures sizes without changing anything. Needs only a login that may connect. Counting the tenants' rows needs a
/// login that may read them, and takes time in proportion to their number.
pub async fn sizes(engine: &Engine, with_tenants: bool) -> Result<Sizes> {
    let failed = Error::engine("measuring the database");
    match engine.connect().await? {
        Session::Postgres(mut connection, watch) => {
            watch.over(async { postgres::sizes(&mut connection, with_tenants).await.map_err(failed) }).await
        }
        Session::Sqlite(mut connection) => sqlite::sizes(&mut connection, with_tenants).await.map_err(failed),
    }
}

/// Returns one statement that counts the rows of each tenant in each of these tables.
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
