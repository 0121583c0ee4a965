//! Importing one tenant, whole, from a file.

use std::path::Path;

use rylie_audit::Action;
use rylie_entities::{TENANT_TABLES, TenantId, TenantTable};
use rylie_repositories::{Grant, PlatformUnit, Progress, Store, TenantCounts, TenantRow};

use super::tenant_file::{Line, Reader};
use crate::error::{Error, Result};
use crate::tenant::tenant_named;

/// Rows sent at once, and so held in memory.
const BATCH: usize = 500;

const DOING: &str = "importing a tenant";

/// What [`import_tenant`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportedTenant {
    /// Whose rows they are.
    pub tenant: TenantId,
    /// How many of each table were added.
    pub rows: TenantCounts,
}

/// Adds every row of a file that [`export_tenant`](crate::export_tenant) wrote, on either engine, and returns how many. All in
/// one transaction: it is imported whole or not at all.
///
/// The file is checked from end to end before anything is written: [`Error::TenantFile`], with the number of the line, where
/// it was cut short, changed, or holds another tenant's rows. [`Error::OtherSchema`] for a file of another version. A
/// tenant, an id or a unique value that is there already is a conflict. Audit records are not imported: the log holds what
/// happened in its own database. Secrets open where the keyring has the keys they were sealed by. Recorded.
pub async fn import_tenant(
    store: &dyn Store,
    file: &Path,
    schema: &str,
    progress: &Progress,
) -> Result<ImportedTenant> {
    let tenant = check(file, schema)?;
    let failed = Error::doing(DOING);
    let grant = Grant::job("import-tenant", "to bring back a tenant, or to take one in").map_err(&failed)?;
    let unit = store.platform(grant).await.map_err(&failed)?;
    unit.tenant_transfer().refuse_existing(&tenant).await.map_err(&failed)?;
    let rows = add_all(&*unit, &tenant, file, progress).await?;
    let recorded = unit.tenant_transfer().record_transfer(Action::TenantImported, &tenant, &rows).await;
    recorded.map_err(&failed)?;
    unit.commit().await.map_err(&failed)?;
    Ok(ImportedTenant { tenant, rows })
}

/// Reads the whole file and says whose it is.
fn check(file: &Path, schema: &str) -> Result<TenantId> {
    let mut reader = Reader::open(file)?;
    let header = reader.header();
    if header.schema != schema {
        return Err(Error::OtherSchema { file: header.schema.clone(), database: schema.to_owned() });
    }
    let tenant = tenant_named(&header.tenant).map_err(|_| reader.wrong("it names no tenant"))?;
    let mut place = 0;
    while let Some(line) = reader.next_row()? {
        place = place_of(&line)
            .filter(|here| *here >= place)
            .ok_or_else(|| reader.wrong("its table is unknown here, or out of order"))?;
        if line.row.get("tenantId").and_then(|id| id.as_str()) != Some(tenant.as_str()) {
            return Err(reader.wrong("it is another tenant's row"));
        }
    }
    Ok(tenant)
}

fn place_of(line: &Line) -> Option<usize> {
    TENANT_TABLES.iter().position(|table| table.name == line.table)
}

async fn add_all(unit: &dyn PlatformUnit, tenant: &TenantId, file: &Path, progress: &Progress) -> Result<TenantCounts> {
    let mut reader = Reader::open(file)?;
    let kept = TENANT_TABLES.iter().filter(|table| !table.outlives);
    let mut added: TenantCounts = kept.map(|table| (table.name.to_owned(), 0)).collect();
    let (mut done, of) = (0, reader.header().rows.values().sum());
    progress.tell(done, of);
    let (mut waiting, mut table) = (Vec::new(), None);
    // The second reading checks the end again: what is committed is what has this digest.
    loop {
        let line = reader.next_row()?;
        let next = line.as_ref().and_then(place_of).map(|place| TENANT_TABLES[place]);
        if next != table || waiting.len() >= BATCH {
            let rows = std::mem::take(&mut waiting);
            done += rows.len() as u64;
            add(unit, tenant, table, rows, &mut added, reader.line_number()).await?;
            progress.tell(done, of);
            table = next;
        }
        match line {
            Some(line) => waiting.push(line.row),
            None => return Ok(added),
        }
    }
}

async fn add(
    unit: &dyn PlatformUnit,
    tenant: &TenantId,
    table: Option<TenantTable>,
    rows: Vec<TenantRow>,
    added: &mut TenantCounts,
    line: u64,
) -> Result<()> {
    let Some(table) = table.filter(|table| !table.outlives && !rows.is_empty()) else { return Ok(()) };
    let count = rows.len() as u64;
    unit.tenant_transfer().add_rows(table, tenant, rows).await.map_err(|source| Error::Row {
        from: line - count,
        to: line - 1,
        source,
    })?;
    *added.entry(table.name.to_owned()).or_default() += count;
    Ok(())
}
