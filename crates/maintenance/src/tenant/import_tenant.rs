//! Importing one tenant completely from a file.

use std::path::Path;

use rylie_audit::Action;
use rylie_entities::{TenantId, TenantTable};
use rylie_repositories::{
    BeyondTenant, PlatformUnit, Progress, Store, TenantCounts, TenantRow, TenantRules, without_sign_ins,
};

use super::tenant_file::{Ending, Line, Reader};
use crate::error::{Error, Result};
use crate::tenant::tenant_named;
use crate::work::Work;

/// Number of rows sent, and held in memory, at once.
const BATCH: usize = 500;

const WORK: Work =
    Work { job: "import-tenant", reason: "to bring back a tenant, or to take one in", doing: "importing a tenant" };

/// The outcome of [`import_tenant`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportedTenant {
    /// The imported tenant.
    pub tenant: TenantId,
    /// Number of added rows of each table.
    pub rows: TenantCounts,
    /// The number of omitted `Session` rows and `User.apiKey` values. Empty for a file that was sealed with this
    /// keyring.
    pub left_out: TenantCounts,
}

/// Adds the rows of a file that [`export_tenant`](crate::export_tenant) wrote, on either engine, and returns their
/// number. All or nothing in one transaction.
///
/// The whole file is checked before anything is written. Fails with [`Error::TenantFile`] and the line number if the
/// file is cut off, changed, or contains another tenant's rows. Fails with [`Error::OtherSchema`] for a file of another
/// version. Fails with [`Error::Data`] ([`Conflict`](rylie_repositories::Error::Conflict)) for an existing tenant, and
/// with [`Error::Row`] for rows that the database refuses, as for a taken id. Audit records are not imported, because a
/// log contains only events of its own database. Secrets open if the keyring has the keys that sealed them. Recorded.
///
/// The author of a file controls this tenant only. [`Error::SuperAdminInFile`] and [`Error::BeyondTenant`] refuse
/// rights above the tenant, references to another tenant's users or agency, and negative counters. Sessions and
/// unsealed API keys are imported only from a file that a store with the same keyring sealed. From other files they are
/// [omitted](ImportedTenant::left_out).
pub async fn import_tenant(
    store: &dyn Store,
    file: &Path,
    schema: &str,
    progress: &Progress,
) -> Result<ImportedTenant> {
    // A file that is not for this schema needs no unit.
    refuse_other_schema(file, schema)?;
    let unit = WORK.open_with_pauses(store).await?;
    let mut tables = Vec::new();
    for table in unit.tenant_transfer().tables().into_iter().filter(|table| !table.stays) {
        tables.push((table, unit.done(unit.tenant_transfer().user_columns(table).await)?));
    }
    let (tenant, ending) = check(file, &tables)?;
    unit.done(unit.tenant_transfer().refuse_existing(&tenant).await)?;
    let sealed_here = match &ending.seal {
        Some(seal) => unit.done(unit.tenant_transfer().is_sealed_here(&ending.sha256, seal).await)?,
        None => false,
    };
    let mut import = Import {
        unit: &*unit,
        tenant: &tenant,
        sealed_here,
        added: none_added(&tables),
        left_out: TenantCounts::new(),
        tables: &tables,
    };
    import.add_all(file, &ending, progress).await?;
    let (rows, left_out) = (import.added, import.left_out);
    let recorded = unit.tenant_transfer().record_transfer(Action::TenantImported, &tenant, &rows).await;
    unit.commit(recorded).await?;
    Ok(ImportedTenant { tenant, rows, left_out })
}

/// A table, and its columns that name a user.
type ImportedTable = (TenantTable, Vec<String>);

fn refuse_other_schema(file: &Path, schema: &str) -> Result<()> {
    let reader = Reader::open(file)?;
    let header = reader.header();
    if header.schema != schema {
        return Err(Error::OtherSchema { file: header.schema.clone(), database: schema.to_owned() });
    }
    Ok(())
}

/// Reads the whole file and returns its tenant.
fn check(file: &Path, tables: &[ImportedTable]) -> Result<(TenantId, Ending)> {
    let mut reader = Reader::open(file)?;
    let header = reader.header();
    let tenant = tenant_named(&header.tenant).map_err(|_| reader.wrong("it does not name a tenant"))?;
    let mut rules = TenantRules::of(&tenant).map_err(|beyond| refused(beyond, 1))?;
    // Damage of the file is reported first: a missing row makes other rows seem wrong.
    let (mut place, mut beyond) = (0, None);
    while let Some(line) = reader.next_row()? {
        place = place_of(tables, &line)
            .filter(|here| *here >= place)
            .ok_or_else(|| reader.wrong("its table is unknown, or out of order"))?;
        if line.row.get("tenantId").and_then(|id| id.as_str()) != Some(tenant.as_str()) {
            return Err(reader.wrong("the row belongs to another tenant"));
        }
        let (table, users) = &tables[place];
        if !table.outlives && beyond.is_none() {
            beyond =
                rules.check(&line.table, &line.row, users).err().map(|beyond| refused(beyond, reader.line_number()));
        }
    }
    if let Some(refused) = beyond {
        return Err(refused);
    }
    let ending = reader.ending().cloned().ok_or_else(|| reader.wrong("its last line is missing"))?;
    Ok((tenant, ending))
}

fn refused(beyond: BeyondTenant, line: u64) -> Error {
    match beyond {
        BeyondTenant::SuperAdmin { user } => Error::SuperAdminInFile { line, user },
        BeyondTenant::Other(reason) => Error::BeyondTenant { line, reason },
    }
}

fn place_of(tables: &[ImportedTable], line: &Line) -> Option<usize> {
    tables.iter().position(|(table, _)| table.name == line.table)
}

/// Returns zero counts for every table whose rows are imported.
fn none_added(tables: &[ImportedTable]) -> TenantCounts {
    let imported = tables.iter().filter(|(table, _)| !table.outlives);
    imported.map(|(table, _)| (table.name.to_owned(), 0)).collect()
}

/// A running import.
struct Import<'a> {
    unit: &'a dyn PlatformUnit,
    tenant: &'a TenantId,
    /// Whether a store with the same keyring wrote the file.
    sealed_here: bool,
    added: TenantCounts,
    left_out: TenantCounts,
    tables: &'a [ImportedTable],
}

impl Import<'_> {
    async fn add_all(&mut self, file: &Path, checked: &Ending, progress: &Progress) -> Result<()> {
        let mut reader = Reader::open(file)?;
        let (mut done, of) = (0, reader.header().rows.values().fold(0, |sum: u64, rows| sum.saturating_add(*rows)));
        progress.report(done, of);
        let (mut waiting, mut table) = (Vec::new(), None);
        while let Some(line) = reader.next_row()? {
            let next = place_of(self.tables, &line).map(|place| self.tables[place].0);
            if next != table || waiting.len() >= BATCH {
                done += waiting.len() as u64;
                self.add(table, std::mem::take(&mut waiting), reader.line_number()).await?;
                progress.report(done, of);
                table = next;
            }
            waiting.push(line.row);
        }
        done += waiting.len() as u64;
        self.add(table, waiting, reader.line_number()).await?;
        progress.report(done, of);
        // Only the checked content is committed, even if the file was rewritten in between.
        if reader.ending() == Some(checked) { Ok(()) } else { Err(reader.wrong("it was changed during the import")) }
    }

    async fn add(&mut self, table: Option<TenantTable>, mut rows: Vec<TenantRow>, line: u64) -> Result<()> {
        let Some(table) = table.filter(|table| !table.outlives) else { return Ok(()) };
        let (from, to) = (line - rows.len() as u64, line - 1);
        if !self.sealed_here {
            rows.retain_mut(|row| without_sign_ins(table.name, row, &mut self.left_out));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let count = rows.len() as u64;
        let added = self.unit.tenant_transfer().add_rows(table, self.tenant, rows).await;
        added.map_err(|source| Error::Row { from, to, source })?;
        *self.added.entry(table.name.to_owned()).or_default() += count;
        Ok(())
    }
}
