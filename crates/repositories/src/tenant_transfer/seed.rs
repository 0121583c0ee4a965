//! Rows of a seed file in a service's own tables.

use rylie_audit::{Action, Event};
use rylie_entities::{TenantId, TenantTable};
use sea_orm::{DbBackend, Value};
use serde_json::{Value as Json, json};

use super::{Column, SeededRow, TenantRow, insert, row_of, shown};
use crate::own::OwnTableInfo;
use crate::tx::Tx;
use crate::{Error, Result};

/// Adds the row, or changes the columns of an existing one that differ.
pub(super) async fn row(tx: &Tx, table: TenantTable, tenant: &TenantId, mut row: TenantRow) -> Result<SeededRow> {
    let wrong =
        |column: &str, reason| Error::InvalidColumn { table: table.name.to_owned(), column: shown(column), reason };
    let Some(own) = tx.own_schema().tables().iter().find(|own| own.name == table.name) else {
        return Err(Error::Invalid {
            what: "a table of the seed file",
            reason: "the schema of the service has no such table",
        });
    };
    let columns = Column::of(tx, table).await?;
    row.insert("tenantId".to_owned(), tenant.as_str().into());
    for (name, value) in &mut row {
        let Some(column) = columns.iter().find(|column| column.name == *name) else {
            return Err(wrong(name, "this database has no such column"));
        };
        if own.secrets.iter().any(|secret| secret.column() == name) {
            return Err(wrong(name, "a seed file cannot hold a secret; the service seals it"));
        }
        column.write_json(tx.engine(), value);
        if !column.has_room_for(value) {
            return Err(wrong(name, "its value does not fit the column's type"));
        }
    }
    let Some(Json::String(id)) = row.get("id").filter(|id| **id != "") else {
        return Err(wrong("id", "the row lacks it"));
    };
    match find(tx, table, tenant, id, &columns).await? {
        Some(before) => update(tx, own, &columns, &before, row).await,
        None => add(tx, table, tenant, &columns, row).await,
    }
}

async fn find(
    tx: &Tx,
    table: TenantTable,
    tenant: &TenantId,
    id: &str,
    columns: &[Column],
) -> Result<Option<TenantRow>> {
    let read: Vec<_> = columns.iter().map(|column| column.read(tx.engine())).collect();
    let sql = format!(r#"SELECT {} FROM "{}" WHERE id = $1 AND "tenantId" = $2"#, read.join(", "), table.name);
    let rows = tx.across_tenants()?.rows(&sql, vec![id.into(), tenant.into()]).await?;
    rows.first().map(|row| row_of(tx.engine(), row, columns)).transpose()
}

async fn add(
    tx: &Tx,
    table: TenantTable,
    tenant: &TenantId,
    columns: &[Column],
    mut row: TenantRow,
) -> Result<SeededRow> {
    let now = tx.env().now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    for column in columns {
        let default = match column.name.as_str() {
            "createdAt" | "updatedAt" => Json::String(now.clone()),
            "deleted" => Json::Bool(false),
            "deletedAt" if row.get("deleted") == Some(&Json::Bool(true)) => Json::String(now.clone()),
            _ => column.default(),
        };
        row.entry(column.name.clone()).or_insert(default);
    }
    let (sql, values) = insert(tx.engine(), table, tenant, columns, &[row])?;
    tx.across_tenants()?.run(&sql, values).await?;
    Ok(SeededRow::Added)
}

async fn update(
    tx: &Tx,
    own: &OwnTableInfo,
    columns: &[Column],
    before: &TenantRow,
    row: TenantRow,
) -> Result<SeededRow> {
    let (mut values, mut set): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    let mut event = Event::new(Action::Other(format!("{}_CHANGED", own.name.to_uppercase())));
    let mut is_recorded = false;
    for column in columns {
        let (Some(wanted), Some(found)) = (row.get(&column.name), before.get(&column.name)) else { continue };
        let unfit = || Error::InvalidColumn {
            table: own.name.to_owned(),
            column: column.name.clone(),
            reason: "its value does not fit the column's type",
        };
        let value = column.value_of(tx.engine(), wanted).ok_or_else(unfit)?;
        if column.value_of(tx.engine(), found).is_some_and(|found| column.is_same(&found, &value)) {
            continue;
        }
        if let Some(name) = own.audited.iter().find(|name| **name == column.name) {
            (event, is_recorded) = (event.with(name, json!([found, wanted])), true);
        }
        values.push(value);
        set.push(format!("{} = {}", column.quoted(), column.write(tx.engine(), values.len())));
    }
    if set.is_empty() {
        return Ok(SeededRow::Kept);
    }
    if own.append_only {
        return Err(Error::Invalid { what: "a row of the seed file", reason: "rows of this table are only added" });
    }
    if let Some(column) = columns.iter().find(|column| column.name == "updatedAt" && !row.contains_key("updatedAt")) {
        let now = tx.env().now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        values.extend(column.value_of(tx.engine(), &Json::String(now)));
        set.push(format!("{} = {}", column.quoted(), column.write(tx.engine(), values.len())));
    }
    let id = row.get("id").and_then(Json::as_str).unwrap_or_default();
    values.extend([id.into(), row.get("tenantId").and_then(Json::as_str).unwrap_or_default().into()]);
    let sql = format!(
        r#"UPDATE "{}" SET {} WHERE id = ${} AND "tenantId" = ${}"#,
        own.name,
        set.join(", "),
        values.len() - 1,
        values.len()
    );
    tx.across_tenants()?.run(&sql, values).await?;
    if is_recorded {
        tx.record(event.on_row(own.name, id)).await?;
    }
    Ok(SeededRow::Changed)
}

impl Column {
    /// Turns the value of a JSON column into its text, and a number into that of a column without whole numbers.
    fn write_json(&self, engine: DbBackend, value: &mut Json) {
        let json = self.is_json() && !value.is_null();
        if json || value.is_number() && self.value_of(engine, value).is_none() {
            *value = Json::String(value.to_string());
        }
    }

    /// Returns whether two values to bind are the same. The engines write JSON differently.
    fn is_same(&self, found: &Value, wanted: &Value) -> bool {
        let parsed = |value: &Value| match value {
            Value::String(Some(text)) => serde_json::from_str::<Json>(text).ok(),
            _ => None,
        };
        found == wanted || self.is_json() && parsed(found).is_some() && parsed(found) == parsed(wanted)
    }
}
