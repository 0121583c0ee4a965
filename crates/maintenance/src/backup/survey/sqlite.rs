//! The survey on SQLite.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use ring::digest::{SHA256, digest};
use rylie_driver::quoted;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{CHECKPOINT, Survey, public_keys, sealed_columns};

const TABLES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";

/// Reads every row once.
pub(in crate::backup) async fn survey_sqlite(connection: &mut SqliteConnection) -> sqlx::Result<Survey> {
    let mut survey = Survey::default();
    let tables: Vec<String> = sqlx::query_scalar(TABLES).fetch_all(&mut *connection).await?;
    for table in &tables {
        count(connection, table, &mut survey).await?;
    }
    let has = |name: &str| tables.iter().any(|table| table == name);
    if has("rylie_database") {
        let sql = "SELECT fingerprint FROM rylie_database";
        survey.fingerprint = sqlx::query_scalar(sql).fetch_optional(&mut *connection).await?;
    }
    if has("seaql_migrations") {
        let sql = "SELECT version FROM seaql_migrations ORDER BY 1";
        survey.migrations = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?;
    }
    if has("rylie_audit_batch") {
        survey.checkpoint = sqlx::query_scalar(CHECKPOINT).fetch_optional(&mut *connection).await?;
        let sql = public_keys("instr(checkpoint, char(10) || 'key ')");
        survey.public_keys = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
    }
    survey.keys = keys(connection).await?;
    Ok(survey)
}

async fn columns(connection: &mut SqliteConnection, table: &str) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT name FROM pragma_table_info($1)").bind(table).fetch_all(connection).await
}

/// Numbers and digest of one table, in one scan and constant memory.
async fn count(connection: &mut SqliteConnection, table: &str, survey: &mut Survey) -> sqlx::Result<()> {
    let columns = columns(connection, table).await?;
    let of_tenants = columns.iter().any(|column| column == "tenantId");
    let values: Vec<String> = columns.iter().map(|column| format!("quote({})", quoted(column))).collect();
    let tenant = if of_tenants { "\"tenantId\"" } else { "NULL" };
    let sql = format!("SELECT CAST({tenant} AS TEXT), {} FROM {}", values.join(" || ',' || "), quoted(table));
    let (mut number, mut sum) = (0, 0u64);
    let mut rows =
        sqlx::query_as::<_, (Option<String>, String)>(AssertSqlSafe(sql)).persistent(false).fetch(connection);
    while let Some((tenant, text)) = rows.try_next().await? {
        number += 1;
        // A sum does not depend on the order of the rows.
        let first =
            digest(&SHA256, text.as_bytes()).as_ref().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte));
        sum = sum.wrapping_add(first);
        if let Some(tenant) = tenant {
            *survey.tenants.entry(tenant).or_default().entry(table.to_owned()).or_default() += 1;
        }
    }
    survey.rows.insert(table.to_owned(), number);
    survey.contents.insert(table.to_owned(), sum.to_string());
    Ok(())
}

async fn keys(connection: &mut SqliteConnection) -> sqlx::Result<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    for (table, column) in sealed_columns() {
        if !columns(connection, table).await?.iter().any(|name| name == column) {
            continue;
        }
        let rest = format!("substr(\"{column}\", 8)");
        let sql = format!(
            "SELECT DISTINCT substr({rest}, 1, instr({rest}, '.') - 1) FROM \"{table}\" \
             WHERE \"{column}\" LIKE 'rylie1.%.%' OR \"{column}\" LIKE 'ryidx1.%.%'"
        );
        let found: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *connection).await?;
        keys.extend(found);
    }
    Ok(keys)
}
