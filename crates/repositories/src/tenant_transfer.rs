//! Export, import and erasure of a tenant's rows, table by table. The live database's columns count, so that extra
//! columns of an adopted database are included.
//!
//! This file is long because inputs, trait and implementation of a repository are in one file.

mod audit_rows;
mod audit_text;
mod column;
mod named;
mod own;
mod rules;
mod seal;
mod seed;

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::{Action, Event};
use rylie_entities::{TenantId, TenantTable, UserId};
use sea_orm::{DbBackend, QueryResult, Value};
use serde_json::Map;

use crate::audit::AuditRepository;
use crate::tx::Tx;
use crate::{Error, Result};

use column::Column;

pub use self::rules::{BeyondTenant, TenantRules, without_sign_ins};

/// Number of rows of each table.
pub type TenantCounts = BTreeMap<String, u64>;

/// The row counts of a tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantInventory {
    /// When it was counted.
    pub at: DateTime<Utc>,
    /// Number of rows of each table.
    pub rows: TenantCounts,
}

/// A row as JSON. A value is text, a number, a boolean or null, by its column's type. Times are in RFC 3339, JSON
/// columns are text. Secrets stay sealed, as they are stored. A [long text](rylie_audit::Text) of an audit record is an
/// object with its length and digest.
pub type TenantRow = Map<String, serde_json::Value>;

/// A page of a tenant's rows of one table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantPage {
    /// The rows.
    pub rows: Vec<TenantRow>,
    /// The place after which the next page begins; `None` after the last row. Opaque.
    pub next: Option<String>,
}

/// The outcome for one row of a seed file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SeededRow {
    /// It was added.
    Added,
    /// Columns differed and were changed.
    Changed,
    /// It was there as the file has it.
    Kept,
}

/// The tables whose rows belong to one user, and go with the user.
const OF_A_USER: [&str; 7] =
    ["Account", "Session", "UserPreferences", "GA4Connection", "SearchConsoleConnection", "MonthlyUsage", "UsageEvent"];

/// Export, import and erasure of whole tenants, in a platform unit.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TenantTransfer: Send + Sync {
    /// Returns every table with a tenant key, each after those that it refers to: the platform's, then the service's.
    fn tables(&self) -> Vec<TenantTable>;

    /// Returns the columns of a service's own table that name a user, as its foreign keys say. Empty for other tables.
    async fn user_columns(&self, table: TenantTable) -> Result<Vec<String>>;

    /// Counts the tenant's rows in each of [`tables`](Self::tables). Fails with [`Error::NotFound`] if it has none in `Agency`
    /// and `User`.
    async fn inventory(&self, tenant: &TenantId) -> Result<TenantInventory>;

    /// Fails with [`Error::Conflict`] if the tenant has any row except those that outlive it. Takes no lock.
    async fn refuse_existing(&self, tenant: &TenantId) -> Result<()>;

    /// Returns the names of a table's columns, sorted.
    async fn columns(&self, table: TenantTable) -> Result<Vec<String>>;

    /// Returns at most `limit` of the tenant's rows of one table, after a place (`None` at the beginning), sorted by id.
    /// Audit records are fewer where their texts are long. One statement more than for the columns, and more for long
    /// texts of audit records.
    ///
    /// Fails with [`Error::Invalid`] if the database stores a value that does not fit the type of its column.
    async fn rows_after(
        &self,
        table: TenantTable,
        tenant: &TenantId,
        after: Option<String>,
        limit: u64,
    ) -> Result<TenantPage>;

    /// Adds exported rows. They must belong to the tenant, otherwise this fails with [`Error::Invalid`]. They must have
    /// exactly the table's columns with values of their types, otherwise [`Error::InvalidColumn`] names one.
    ///
    /// Fails with [`Error::Conflict`] where an id or another unique value is taken. Fails with [`Error::Reference`]
    /// where a row refers to a missing one. With own tables that check may wait for the commit.
    async fn add_rows(&self, table: TenantTable, tenant: &TenantId, rows: Vec<TenantRow>) -> Result<()>;

    /// Adds rows that [`remove_rows`](Self::remove_rows) removed, as [`add_rows`](Self::add_rows) does. A user who was
    /// kept as an id gets the data of the row back. Fails with [`Error::Conflict`] if another user has the id.
    async fn put_back_rows(&self, table: TenantTable, tenant: &TenantId, rows: Vec<TenantRow>) -> Result<()>;

    /// Adds a row of a seed file to a service's own table, or changes what differs. The row has an `id`, and other
    /// columns may be missing. A new row has null, the default or the current time there; an existing row keeps its
    /// values. A JSON column has JSON. A change of an audited column is recorded. Two statements.
    ///
    /// Fails with [`Error::InvalidColumn`] for an unknown column, a wrong type, a secret and a missing `id`. Fails with
    /// [`Error::Conflict`] if the id is another tenant's, and with [`Error::Reference`] if the row refers to a missing
    /// one. Fails with [`Error::Invalid`] for a table that is not in the schema, and for a change where rows are only
    /// added.
    async fn seed_row(&self, table: TenantTable, tenant: &TenantId, row: TenantRow) -> Result<SeededRow>;

    /// Deletes every row of the tenant, except those that outlive it, and returns the counts of each table. For a caller
    /// that puts rows back in the same unit and records it: it is not recorded. Keeps users as [`erase`](Self::erase) does.
    async fn remove_rows(&self, tenant: &TenantId) -> Result<TenantCounts>;

    /// Fails with [`Error::Protected`] where the environment marker is production or missing. Called last in a unit, this
    /// also sees a marker that was set since the unit began.
    async fn refuse_protected_database(&self) -> Result<()>;

    /// Deletes every row of the tenant, except those that outlive it, and returns the counts of each table. Recorded.
    ///
    /// A user that a request or task of another tenant references is kept as an id. It has no agency, and every other
    /// column has its default. [`KEPT_USERS`] counts such users. Fails with [`Error::NotFound`] as
    /// [`inventory`](Self::inventory) does, and with [`Error::Protected`] where the environment marker is production or
    /// missing.
    async fn erase(&self, tenant: &TenantId) -> Result<TenantCounts>;

    /// Deletes a user with sessions, accounts, connections, preferences and usage; recorded. A user whom a request or
    /// task names is kept as an id, as by [`erase`](Self::erase). `false` if there is no such user. Fails with
    /// [`Error::Protected`] where the environment marker is production or missing.
    async fn erase_user(&self, user: &UserId) -> Result<bool>;

    /// Returns the seal of a file's digest, or `None` without a keyring. Only a store with the same keyring can make
    /// it.
    async fn seal_file(&self, digest: &str) -> Result<Option<String>>;

    /// Returns whether one of this keyring's keys made the seal of the digest; `false` without a keyring.
    async fn is_sealed_here(&self, digest: &str, seal: &str) -> Result<bool>;

    /// Records the export or import of a tenant.
    async fn record_transfer(&self, action: Action, tenant: &TenantId, rows: &TenantCounts) -> Result<()>;
}

/// The key under which an erasure counts users that are kept as ids.
pub const KEPT_USERS: &str = "User (kept as an id)";

/// Maximum number of rows deleted by one statement.
const ERASED_AT_ONCE: u32 = 5_000;

/// Selects users that no request or task references. The tenant's own are already deleted: the remaining references
/// come from other tenants.
const UNNAMED: &str = r#" AND NOT EXISTS (SELECT 1 FROM "Request" WHERE "Request"."userId" = "User".id) AND NOT EXISTS (SELECT 1 FROM "Task" WHERE "Task"."userId" = "User".id)"#;

/// Maximum number of values bound in one statement, well below the limit of both engines.
const BOUND_AT_ONCE: usize = 10_000;

#[async_trait]
impl TenantTransfer for Tx {
    fn tables(&self) -> Vec<TenantTable> {
        self.own_schema().tenant_tables()
    }

    async fn user_columns(&self, table: TenantTable) -> Result<Vec<String>> {
        if self.own_schema().has(table.name) { own::user_columns(self, table.name).await } else { Ok(Vec::new()) }
    }

    async fn inventory(&self, tenant: &TenantId) -> Result<TenantInventory> {
        let mut counts = TenantCounts::new();
        for table in self.tables().into_iter().filter(|table| !table.stays) {
            counts.insert(table.name.to_owned(), count(self, table, tenant).await?);
        }
        if counts.get("Agency").is_none_or(|rows| *rows == 0) && counts.get("User").is_none_or(|rows| *rows == 0) {
            return Err(Error::NotFound { entity: "tenant" });
        }
        Ok(TenantInventory { at: self.env().now(), rows: counts })
    }

    async fn refuse_existing(&self, tenant: &TenantId) -> Result<()> {
        for table in self.tables().into_iter().filter(|table| !table.outlives && !table.stays) {
            if count(self, table, tenant).await? > 0 {
                return Err(Error::Conflict { entity: table.name.to_owned(), field: "tenantId".to_owned() });
            }
        }
        Ok(())
    }

    async fn columns(&self, table: TenantTable) -> Result<Vec<String>> {
        let columns = Column::of(self, table).await?;
        Ok(columns.into_iter().map(|column| column.name).collect())
    }

    async fn rows_after(
        &self,
        table: TenantTable,
        tenant: &TenantId,
        after: Option<String>,
        limit: u64,
    ) -> Result<TenantPage> {
        let columns = Column::of(self, table).await?;
        if table.name == audit_text::LOG {
            return audit_rows::after(self, &columns, tenant, after, limit).await;
        }
        let read: Vec<_> = columns.iter().map(|column| column.read(self.engine())).collect();
        // No id is before the empty one.
        let beyond = if after.is_none() { ">=" } else { ">" };
        let sql = format!(
            r#"SELECT {} FROM "{}" WHERE "tenantId" = $1 AND id {beyond} $2 ORDER BY id LIMIT $3"#,
            read.join(", "),
            table.name
        );
        let values =
            vec![tenant.into(), after.unwrap_or_default().into(), i64::try_from(limit).unwrap_or(i64::MAX).into()];
        let rows = self.across_tenants()?.rows(&sql, values).await?;
        let rows = rows.iter().map(|row| row_of(self.engine(), row, &columns)).collect::<Result<Vec<_>>>()?;
        let next = rows.last().and_then(|row| row.get("id")).and_then(|id| id.as_str()).map(str::to_owned);
        Ok(TenantPage { rows, next })
    }

    async fn add_rows(&self, table: TenantTable, tenant: &TenantId, rows: Vec<TenantRow>) -> Result<()> {
        let columns = Column::of(self, table).await?;
        own::check_keys_at_the_end(self).await?;
        for some in rows.chunks((BOUND_AT_ONCE / columns.len().max(1)).max(1)) {
            let (sql, values) = insert(self.engine(), table, tenant, &columns, some)?;
            self.across_tenants()?.run(&sql, values).await?;
        }
        Ok(())
    }

    async fn put_back_rows(&self, table: TenantTable, tenant: &TenantId, rows: Vec<TenantRow>) -> Result<()> {
        if table.name != "User" {
            return self.add_rows(table, tenant, rows).await;
        }
        let columns = Column::of(self, table).await?;
        for some in rows.chunks((BOUND_AT_ONCE / columns.len().max(1)).max(1)) {
            let (sql, values) = insert(self.engine(), table, tenant, &columns, some)?;
            let sql = format!("{sql} {}", named::put_back(&columns.iter().map(Column::quoted).collect::<Vec<_>>()));
            if self.across_tenants()?.run(&sql, values).await? < some.len() as u64 {
                return Err(Error::Conflict { entity: "User".to_owned(), field: "id".to_owned() });
            }
        }
        Ok(())
    }

    async fn seed_row(&self, table: TenantTable, tenant: &TenantId, row: TenantRow) -> Result<SeededRow> {
        seed::row(self, table, tenant, row).await
    }

    async fn remove_rows(&self, tenant: &TenantId) -> Result<TenantCounts> {
        remove(self, tenant).await
    }

    async fn refuse_protected_database(&self) -> Result<()> {
        self.refuse_protected().await
    }

    async fn erase(&self, tenant: &TenantId) -> Result<TenantCounts> {
        self.inventory(tenant).await?;
        let erased = remove(self, tenant).await?;
        self.record_transfer(Action::TenantErased, tenant, &erased).await?;
        self.refuse_protected().await?;
        Ok(erased)
    }

    async fn erase_user(&self, user: &UserId) -> Result<bool> {
        if self.across_tenants()?.count(r#"SELECT count(*) FROM "User" WHERE id = $1"#, vec![user.into()]).await? == 0 {
            return Ok(false);
        }
        for table in OF_A_USER {
            let sql = format!(r#"DELETE FROM "{table}" WHERE "userId" = $1"#);
            self.across_tenants()?.run(&sql, vec![user.into()]).await?;
        }
        self.across_tenants()?.run(r#"DELETE FROM "IdempotencyKey" WHERE "callerId" = $1"#, vec![user.into()]).await?;
        let unnamed = own::unnamed(self).await?;
        let sql = format!(r#"DELETE FROM "User" WHERE id = $1{unnamed}"#);
        if self.across_tenants()?.run(&sql, vec![user.into()]).await? == 0 {
            named::empty_user(self, user).await?;
        }
        self.record(Event::new(Action::UserDeleted).on(user)).await?;
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
        self.record(Event::new(action).on_row("Tenant", tenant.as_str()).with("rows", rows)).await
    }
}

/// Children first.
async fn remove(tx: &Tx, tenant: &TenantId) -> Result<TenantCounts> {
    let (mut removed, unnamed) = (TenantCounts::new(), own::unnamed(tx).await?);
    for table in tx.own_schema().tenant_tables().into_iter().rev().filter(|table| !table.outlives) {
        let free = if table.name == "User" { unnamed.as_str() } else { "" };
        let sql = format!(
            r#"DELETE FROM "{0}" WHERE id IN (SELECT id FROM "{0}" WHERE "tenantId" = $1{free} LIMIT {ERASED_AT_ONCE})"#,
            table.name
        );
        // Rows of own tables may go with others of their table, which the engines count differently.
        let own = if tx.own_schema().has(table.name) { Some(count(tx, table, tenant).await?) } else { None };
        let mut rows = 0;
        loop {
            let done = tx.across_tenants()?.run(&sql, vec![tenant.into()]).await?;
            rows += done;
            if done == 0 {
                break;
            }
        }
        if !table.stays {
            removed.insert(table.name.to_owned(), own.unwrap_or(rows));
        }
        if table.name == "User" {
            let kept = named::empty(tx, tenant).await?;
            removed.extend((kept > 0).then(|| (KEPT_USERS.to_owned(), kept)));
        }
    }
    Ok(removed)
}

async fn count(tx: &Tx, table: TenantTable, tenant: &TenantId) -> Result<u64> {
    let sql = format!(r#"SELECT count(*) FROM "{}" WHERE "tenantId" = $1"#, table.name);
    tx.across_tenants()?.count(&sql, vec![tenant.into()]).await
}

fn row_of(engine: DbBackend, row: &QueryResult, columns: &[Column]) -> Result<TenantRow> {
    let cell = |(place, column): (usize, &Column)| {
        let text: Option<String> = row.try_get_by_index(place)?;
        Ok((column.name.clone(), column.to_json(engine, text)?))
    };
    columns.iter().enumerate().map(cell).collect()
}

/// Builds one `INSERT` of all rows, with the values to bind.
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
        let wrong =
            |column: &str, reason| Error::InvalidColumn { table: table.name.to_owned(), column: shown(column), reason };
        if let Some(unknown) = row.keys().find(|name| columns.iter().all(|column| column.name != **name)) {
            return Err(wrong(unknown, "this database has no such column"));
        }
        let mut cells = Vec::new();
        for column in columns {
            let json = row.get(&column.name).ok_or_else(|| wrong(&column.name, "the row lacks it"))?;
            let json = rules::within(tenant, table, &column.name, json);
            let value = column.value_of(engine, json);
            values.push(value.ok_or_else(|| wrong(&column.name, "its value does not fit the column's type"))?);
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

/// Returns a name from a file, short and printable.
fn shown(name: &str) -> String {
    const LONGEST: usize = 63;
    name.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

fn invalid(reason: &'static str) -> Error {
    Error::Invalid { what: "a tenant's row", reason }
}
