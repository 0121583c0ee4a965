//! A tenant's audit records as rows of an export. Another writer's values of any type and size stop no export: each text
//! is the one that is hashed, and a long one is its length and digest.

use rylie_audit::Text;
use rylie_entities::TenantId;
use sea_orm::{DbBackend, QueryResult, Value};
use serde_json::json;

use super::audit_text::LOG;
use super::column::{Column, Kind};
use super::{TenantPage, TenantRow};
use crate::Result;
use crate::audit::{DETAILS, LongTexts, SQLITE_KEY, cut, details, long_key_of, long_texts, short, sqlite_text, text};
use crate::tx::Tx;

/// Reads the records after a place, by id: at most `limit`, and fewer where texts are long. One statement, and more for
/// long texts.
pub(super) async fn after(
    tx: &Tx,
    columns: &[Column],
    tenant: &TenantId,
    after: Option<String>,
    limit: u64,
) -> Result<TenantPage> {
    let engine = tx.engine();
    let read: Vec<String> =
        columns.iter().map(|column| format!("{} AS {}", read(engine, column), column.quoted())).collect();
    let (beyond, place) = beyond(engine, after.as_deref());
    let page = format!(
        "SELECT {}, {} AS rylie_long, {} AS rylie_place, a.id AS rylie_id FROM \"{LOG}\" a{} \
         WHERE a.\"tenantId\" = $1{beyond} ORDER BY a.id LIMIT $2",
        read.join(", "),
        long_key_of(engine),
        place_of(engine),
        details(engine),
    );
    let sql = cut(&page, "rylie_id");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [Some(tenant.into()), Some(limit.into()), place].into_iter().flatten().collect();
    let found = tx.across_tenants()?.rows(&sql, values).await?;
    let mut rows = Vec::with_capacity(found.len());
    for row in &found {
        let long = long_texts::read(tx, row.try_get("", "rylie_long")?).await?;
        rows.push(record(engine, row, columns, &long)?);
    }
    let next = found.last().map(|row| row.try_get::<Option<String>>("", "rylie_place")).transpose()?.flatten();
    Ok(TenantPage { rows, next })
}

/// Returns the expression of a column, of the log as `a`.
fn read(engine: DbBackend, column: &Column) -> String {
    match (column.kind, engine) {
        (Kind::AuditText(_), DbBackend::Sqlite) => sqlite_text(&column.name),
        (Kind::AuditText(DETAILS), _) => short("d.log_details"),
        (Kind::AuditText(_), _) => short(&format!("a.{}", column.quoted())),
        _ => column.read(engine),
    }
}

/// Returns the expression of the place of a row in the order of the ids. SQLite orders blobs after all texts.
fn place_of(engine: DbBackend) -> &'static str {
    match engine {
        DbBackend::Sqlite => SQLITE_KEY,
        _ => "a.id",
    }
}

/// Returns the condition that a row is after a place, and the value to bind.
fn beyond(engine: DbBackend, place: Option<&str>) -> (&'static str, Option<Value>) {
    let Some(place) = place else { return ("", None) };
    if engine != DbBackend::Sqlite {
        return (" AND a.id > $3", Some(place.into()));
    }
    let (kind, digits) = place.split_once(' ').unwrap_or_default();
    let bytes = Some(hex::decode(digits).unwrap_or_default().into());
    match kind {
        "blob" => (" AND a.id > $3", bytes),
        "text" => (" AND a.id > CAST($3 AS TEXT)", bytes),
        _ => (" AND a.id IS NOT NULL", None),
    }
}

fn record(engine: DbBackend, row: &QueryResult, columns: &[Column], long: &LongTexts) -> Result<TenantRow> {
    let cell = |(at, column): (usize, &Column)| {
        let text = text(row, at)?;
        let json = match column.kind {
            Kind::AuditText(place) => match long.get(place) {
                Some(long) => json!(Text::from(long)),
                None => json!(text.map(Text::from)),
            },
            _ => column.to_json(engine, text)?,
        };
        Ok((column.name.clone(), json))
    };
    columns.iter().enumerate().map(cell).collect()
}
