//! Rows of a service's own tables in a seed file.

use std::collections::BTreeMap;

use rylie_entities::{AgencyId, TenantId};
use rylie_repositories::{Error, PlatformUnit, Result, SeededRow, TenantRow};
use serde_json::Value;

use super::Seeded;

/// The rows of each own table.
pub type SeedRows = BTreeMap<String, Vec<TenantRow>>;

/// Seeds the rows of an agency: parents first, in the order of the schema.
pub(super) async fn seed(
    unit: &dyn PlatformUnit,
    agency: &AgencyId,
    rows: &SeedRows,
    seeded: &mut Seeded,
) -> Result<()> {
    let transfer = unit.tenant_transfer();
    let tables = transfer.tables();
    if rows.keys().any(|name| tables.iter().all(|table| table.name != *name)) {
        let reason = "the schema of the service has no such table; use the command of the service";
        return Err(Error::Invalid { what: "a table of the seed file", reason });
    }
    let tenant = TenantId::of_agency(agency);
    for table in tables {
        let Some(rows) = rows.get(table.name) else { continue };
        let users = transfer.user_columns(table).await?;
        for row in rows {
            let mut row = row.clone();
            for column in &users {
                name_user(unit, &mut row, column).await?;
            }
            match transfer.seed_row(table, &tenant, row).await? {
                SeededRow::Added => seeded.created += 1,
                SeededRow::Changed => seeded.updated += 1,
                SeededRow::Kept => {}
            }
        }
    }
    Ok(())
}

/// Replaces the address of a user by the id.
async fn name_user(unit: &dyn PlatformUnit, row: &mut TenantRow, column: &str) -> Result<()> {
    let Some(Value::String(address)) = row.get(column).filter(|value| value.as_str().is_some_and(is_address)) else {
        return Ok(());
    };
    let Some(user) = unit.identities().find_by_email(address).await? else {
        return Err(Error::Invalid { what: "a row of the seed file", reason: "it names a user who does not exist" });
    };
    row.insert(column.to_owned(), user.id.to_string().into());
    Ok(())
}

fn is_address(text: &str) -> bool {
    text.contains('@')
}
