//! Replacing one tenant by its state in another database, such as a restored backup.

use rylie_audit::{Action, Event};
use rylie_entities::{TenantId, TenantTable};
use rylie_repositories::{Progress, Store, TenantCounts};

use crate::error::Result;
use crate::work::Work;

/// Number of rows read, sent and held in memory at once.
const BATCH: u64 = 500;

/// Sessions are not put back: one that was ended since would live again.
const LEFT_OUT: &str = "Session";

const READ: Work = Work { job: "restore-tenant", reason: "to put a tenant back", doing: "reading the tenant" };
const WRITE: Work =
    Work { job: "restore-tenant", reason: "to put a tenant back as it was", doing: "putting the tenant back" };

/// What [`replace_tenant`] did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ReplacedTenant {
    /// Number of rows of each table that were there before.
    pub removed: TenantCounts,
    /// Number of rows of each table that are there now.
    pub rows: TenantCounts,
}

/// Replaces every row of the tenant in `to` by its rows in `from`, or adds them if `to` does not have the tenant. All or
/// nothing in one transaction of `to`; no other tenant's row changes, and other tenants' units continue.
///
/// Both databases must be at the same migration. Audit records stay as they are. Recorded, with the id of the `backup`.
/// Sessions are left out. Fails with [`Error::Data`](crate::Error::Data): its source is
/// [`NotFound`](rylie_repositories::Error::NotFound) if `from` does not have the tenant, and
/// [`Conflict`](rylie_repositories::Error::Conflict) if a user is in another tenant now. Refused
/// ([`Protected`](rylie_repositories::Error::Protected)) where `to` is marked as production; the transaction checks the
/// marker at its end as well. Reads and writes 500 rows at once.
pub async fn replace_tenant(
    from: &dyn Store,
    to: &dyn Store,
    tenant: &TenantId,
    backup: &str,
    progress: &Progress,
) -> Result<ReplacedTenant> {
    let reading = READ.read(from).await?;
    let inventory = reading.done(reading.tenant_transfer().inventory(tenant).await)?;
    let unit = WRITE.open_with_pauses(to).await?;
    let removed = unit.done(unit.tenant_transfer().remove_rows(tenant).await)?;
    let mut tables: Vec<TenantTable> = unit.tenant_transfer().tables();
    tables.retain(|table| !table.outlives && table.name != LEFT_OUT);
    let of = tables.iter().filter_map(|table| inventory.rows.get(table.name)).sum();
    let (mut rows, mut done) = (TenantCounts::new(), 0);
    progress.report(done, of);
    for table in tables {
        let (mut after, mut number) = (None, 0);
        loop {
            let batch = reading.tenant_transfer().rows_after(table, tenant, after, BATCH).await;
            let batch = reading.done(batch)?;
            let Some(next) = batch.next else { break };
            after = Some(next);
            let length = batch.rows.len() as u64;
            unit.done(unit.tenant_transfer().put_back_rows(table, tenant, batch.rows).await)?;
            (number, done) = (number + length, done + length);
            progress.report(done, of);
        }
        rows.insert(table.name.to_owned(), number);
    }
    let event = Event::new(Action::BackupRestored).on_row("Tenant", tenant.as_str());
    unit.done(unit.audit().record(event.with("backup", backup).with("rows", &rows)).await)?;
    let checked = unit.tenant_transfer().refuse_protected_database().await;
    unit.commit(checked).await?;
    Ok(ReplacedTenant { removed, rows })
}
