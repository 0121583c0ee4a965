//! A tenant's rows, table by table: out, in, and away. Columns are those that the database has, so that none is left behind
//! that an adopted database holds beside ours.

mod column;
mod named;
mod rules;
mod seal;

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::{Action, Event};
use rylie_entities::{TENANT_TABLES, TenantId, TenantTable, UserId};
use rylie_tenancy::Unfiltered;
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement, Value};
use serde_json::Map;

use crate::audit::AuditRepository;
use crate::tx::Tx;
use crate::{Error, Result};

use column::Column;

pub use self::rules::{BeyondTenant, TenantRules, without_sign_ins};

/// How many rows there are of each table.
pub type TenantCounts = BTreeMap<String, u64>;

/// What a tenant has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantInventory {
    /// When it was counted.
    pub at: DateTime<Utc>,
    /// How many rows of each table.
    pub rows: TenantCounts,
}

/// A row as JSON: text, number, true or false by its column's type, null; times in RFC 3339, JSON columns as text. Secrets are
/// as they are stored: sealed.
pub type TenantRow = Map<String, serde_json::Value>;

/// The tables whose rows belong to one user, and go with the user.
const OF_A_USER: [&str; 7] =
    ["Account", "Session", "UserPreferences", "GA4Connection", "SearchConsoleConnection", "MonthlyUsage", "UsageEvent"];

/// Whole tenants, at the platform's door.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TenantTransfer: Send + Sync {
    /// How many rows the tenant has in each of [`TENANT_TABLES`]. [`Error::NotFound`] if it has none in `Agency` and `User`.
    async fn inventory(&self, tenant: &TenantId) -> Result<TenantInventory>;

    /// Refuses a tenant that has any row but those that outlive it: [`Error::Conflict`]. Takes no lock.
    async fn refuse_existing(&self, tenant: &TenantId) -> Result<()>;

    /// The names of a table's columns, in the order of names.
    async fn columns(&self, table: TenantTable) -> Result<Vec<String>>;

    /// The tenant's rows of one table after an id, in the order of ids, `limit` at most.
    async fn rows_after(
        &self,
        table: TenantTable,
        tenant: &TenantId,
        after: &str,
        limit: u64,
    ) -> Result<Vec<TenantRow>>;

    /// Adds rows as they were exported. They must belong to the tenant and have exactly the table's columns:
    /// [`Error::Invalid`] otherwise. [`Error::Conflict`] where an id or another unique value is taken.
    async fn add_rows(&self, table: TenantTable, tenant: &TenantId, rows: Vec<TenantRow>) -> Result<()>;

    /// Deletes every row of the tenant, but those that outlive it, and returns how many of each table; recorded.
    /// A user whom a request or task of another tenant names is kept as an id: without an agency, and with every other
    /// column at its default. [`KEPT_USERS`] counts them, where there are any.
    /// [`Error::NotFound`] as for [`inventory`](Self::inventory). [`Error::Protected`] where the database is marked as
    /// production.
    async fn erase(&self, tenant: &TenantId) -> Result<TenantCounts>;

    /// Deletes a user with sessions, accounts, connections, preferences and usage; recorded. A user whom a request or task
    /// names is kept as an id, as by [`erase`](Self::erase). `false` if there is no such user.
    /// [`Error::Protected`] where the database is marked as production.
    async fn erase_user(&self, user: &UserId) -> Result<bool>;

    /// The seal of a file's digest, which only a store with the same keyring makes; `None` without a keyring.
    async fn seal_file(&self, digest: &str) -> Result<Option<String>>;

    /// Whether a store with one of this keyring's keys made the seal of the digest; never without a keyring.
    async fn is_sealed_here(&self, digest: &str, seal: &str) -> Result<bool>;

    /// Records that a tenant was exported or imported.
    async fn record_transfer(&self, action: Action, tenant: &TenantId, rows: &TenantCounts) -> Result<()>;
}

/// The key under which an erasure counts the users that it kept as ids.
pub const KEPT_USERS: &str = "User (kept as an id)";

/// Rows deleted in one statement.
const ERASED_AT_ONCE: u32 = 5_000;

/// Requests and tasks of the tenant are gone before its users: one that still names a user is another tenant's.
const UNNAMED: &str = r#" AND NOT EXISTS (SELECT 1 FROM "Request" WHERE "Request"."userId" = "User".id) AND NOT EXISTS (SELECT 1 FROM "Task" WHERE "Task"."userId" = "User".id)"#;

/// Values bound in one statement, well below the limit of either engine.
const BOUND_AT_ONCE: usize = 10_000;

#[async_trait]
impl TenantTransfer for Tx {
    async fn inventory(&self, tenant: &TenantId) -> Result<TenantInventory> {
        let mut counts = TenantCounts::new();
        for table in TENANT_TABLES {
            counts.insert(table.name.to_owned(), count(self, *table, tenant).await?);
        }
        if counts.get("Agency").is_none_or(|rows| *rows == 0) && counts.get("User").is_none_or(|rows| *rows == 0) {
            return Err(Error::NotFound { entity: "tenant" });
        }
        Ok(TenantInventory { at: self.env().now(), rows: counts })
    }

    async fn refuse_existing(&self, tenant: &TenantId) -> Result<()> {
        for table in TENANT_TABLES.iter().filter(|table| !table.outlives) {
            if count(self, *table, tenant).await? > 0 {
                return Err(Error::Conflict { entity: table.name.to_owned(), field: "tenantId".to_owned() });
            }
        }
        Ok(())
    }

    async fn columns(&self, table: TenantTable) -> Result<Vec<String>> {
        let columns = Column::of(&self.across_tenants()?, table).await?;
        Ok(columns.into_iter().map(|column| column.name).collect())
    }

    async fn rows_after(
        &self,
        table: TenantTable,
        tenant: &TenantId,
        after: &str,
        limit: u64,
    ) -> Result<Vec<TenantRow>> {
        let connection = self.across_tenants()?;
        let columns = Column::of(&connection, table).await?;
        let read: Vec<_> = columns.iter().map(|column| column.read(connection.get_database_backend())).collect();
        let sql = format!(
            r#"SELECT {} FROM "{}" WHERE "tenantId" = $1 AND id > $2 ORDER BY id LIMIT $3"#,
            read.join(", "),
            table.name
        );
        let values = [tenant.into(), after.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
        let rows = query_all(&connection, &sql, values).await?;
        rows.iter().map(|row| row_of(connection.get_database_backend(), row, &columns)).collect()
    }

    async fn add_rows(&self, table: TenantTable, tenant: &TenantId, rows: Vec<TenantRow>) -> Result<()> {
        let connection = self.across_tenants()?;
        let columns = Column::of(&connection, table).await?;
        for some in rows.chunks((BOUND_AT_ONCE / columns.len().max(1)).max(1)) {
            let (sql, values) = insert(connection.get_database_backend(), table, tenant, &columns, some)?;
            self.run_across_tenants(&sql, values).await?;
        }
        Ok(())
    }

    async fn erase(&self, tenant: &TenantId) -> Result<TenantCounts> {
        self.inventory(tenant).await?;
        let mut erased = TenantCounts::new();
        for table in TENANT_TABLES.iter().rev().filter(|table| !table.outlives) {
            let free = if table.name == "User" { UNNAMED } else { "" };
            let sql = format!(
                r#"DELETE FROM "{0}" WHERE id IN (SELECT id FROM "{0}" WHERE "tenantId" = $1{free} LIMIT {ERASED_AT_ONCE})"#,
                table.name
            );
            let mut rows = 0;
            loop {
                let done = self.run_across_tenants(&sql, vec![tenant.into()]).await?;
                rows += done;
                if done == 0 {
                    break;
                }
            }
            erased.insert(table.name.to_owned(), rows);
            if table.name == "User" {
                let kept = named::empty(self, tenant).await?;
                erased.extend((kept > 0).then(|| (KEPT_USERS.to_owned(), kept)));
            }
        }
        self.record_transfer(Action::TenantErased, tenant, &erased).await?;
        self.refuse_protected().await?;
        Ok(erased)
    }

    async fn erase_user(&self, user: &UserId) -> Result<bool> {
        if self.count_across_tenants(r#"SELECT count(*) FROM "User" WHERE id = $1"#, vec![user.into()]).await? == 0 {
            return Ok(false);
        }
        for table in OF_A_USER {
            let sql = format!(r#"DELETE FROM "{table}" WHERE "userId" = $1"#);
            self.run_across_tenants(&sql, vec![user.into()]).await?;
        }
        let sql = format!(r#"DELETE FROM "User" WHERE id = $1{UNNAMED}"#);
        if self.run_across_tenants(&sql, vec![user.into()]).await? == 0 {
            named::empty_user(self, user).await?;
        }
        self.record(Event::new(Action::UserDeleted).on("User", user)).await?;
        self.refuse_protected().await?;
        Ok(true)
    }

    async fn seal_file(&self, digest: &str) -> Result<Option<String>> {
        self.optional_keys().map_or(Ok(None), |keys| seal::make(keys, digest))
    }

    async fn is_sealed_here(&self, digest: &str, seal: &str) -> Result<bool> {
        self.optional_keys().map_or(Ok(false), |keys| seal::is_good(keys, digest, seal))
    }

    async fn record_transfer(&self, action: Action, tenant: &TenantId, rows: &TenantCounts) -> Result<()> {
        self.record(Event::new(action).on("Tenant", tenant.as_str()).with("rows", rows)).await
    }
}

async fn count(tx: &Tx, table: TenantTable, tenant: &TenantId) -> Result<u64> {
    let sql = format!(r#"SELECT count(*) FROM "{}" WHERE "tenantId" = $1"#, table.name);
    tx.count_across_tenants(&sql, vec![tenant.into()]).await
}

async fn query_all(
    connection: &Unfiltered<'_>,
    sql: &str,
    values: impl IntoIterator<Item = Value> + Send,
) -> Result<Vec<QueryResult>> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.query_all_raw(statement).await?)
}

fn row_of(engine: DbBackend, row: &QueryResult, columns: &[Column]) -> Result<TenantRow> {
    let cell = |(place, column): (usize, &Column)| {
        let text: Option<String> = row.try_get_by_index(place)?;
        Ok((column.name.clone(), column.to_json(engine, text)?))
    };
    columns.iter().enumerate().map(cell).collect()
}

/// One `INSERT` of all the rows, with the values to bind.
fn insert(
    engine: DbBackend,
    table: TenantTable,
    tenant: &TenantId,
    columns: &[Column],
    rows: &[TenantRow],
) -> Result<(String, Vec<Value>)> {
    let (mut values, mut tuples) = (Vec::new(), Vec::new());
    for row in rows {
        refuse_foreign(row, tenant)?;
        if row.len() != columns.len() {
            return Err(invalid("it must have exactly the columns that its table has here"));
        }
        let mut cells = Vec::new();
        for column in columns {
            let json = row.get(&column.name).ok_or_else(|| invalid("it lacks a column that its table has here"))?;
            let json = rules::within(tenant, table, &column.name, json);
            values.push(column.value_of(engine, json)?);
            cells.push(column.write(engine, values.len()));
        }
        tuples.push(format!("({})", cells.join(", ")));
    }
    let names: Vec<_> = columns.iter().map(Column::quoted).collect();
    let sql = format!(r#"INSERT INTO "{}" ({}) VALUES {}"#, table.name, names.join(", "), tuples.join(", "));
    Ok((sql, values))
}

fn refuse_foreign(row: &TenantRow, tenant: &TenantId) -> Result<()> {
    match row.get("tenantId") {
        Some(serde_json::Value::String(text)) if text == tenant.as_str() => Ok(()),
        _ => Err(invalid("its tenant must be the file's")),
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::Invalid { what: "a tenant's row", reason }
}
