//! Exporting one tenant completely to a file.

use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use rylie_audit::{Action, Digest, SignedCheckpoint, SigningKey, TenantHead};
use rylie_entities::{TenantId, TenantTable};
use rylie_repositories::{PlatformUnit, Progress, Store, TenantCounts};

use super::tenant_file::{FORMAT, Finished, Header, Seal, Writer};
use crate::error::Result;
use crate::work::{JobUnit, Work};

/// Number of rows read, and held in memory, at once.
const BATCH: u64 = 500;

const WORK: Work =
    Work { job: "export-tenant", reason: "to hand a tenant its data, or to move it", doing: "exporting a tenant" };

/// Writes every row of the tenant, audit records included, to the file `out` and returns the number of rows of each
/// table. The file also contains what [`check_tenant_audit`](crate::check_tenant_audit) needs to check that the audit
/// records are complete. With the `key` that signs checkpoints it signs where they end, so that missing ones at the end
/// are detected.
///
/// A store with a keyring seals the file, so that an [import](crate::import_tenant) under the same keyring recognises
/// it.
///
/// The export is one consistent state of the database, in bounded memory. Only the owner may read the file. It appears
/// when it is complete, and an existing file is never overwritten ([`Error::FileExists`](crate::Error::FileExists)).
/// Secrets stay sealed as they are stored, but sessions and API keys are included: protect the file like the database.
/// `schema` names the database's newest migration; an import needs the same one. Recorded. Blocks on the file system
/// without yielding to other tasks.
///
/// Fails with [`Error::Data`](crate::Error::Data) ([`NotFound`](rylie_repositories::Error::NotFound)) without such a
/// tenant.
pub async fn export_tenant(
    store: &dyn Store,
    tenant: &TenantId,
    schema: &str,
    out: &Path,
    key: Option<&SigningKey>,
    progress: &Progress,
) -> Result<TenantCounts> {
    let unit = WORK.read(store).await?;
    let writer = Writer::create(out)?;
    let (file, rows) = write(&unit, tenant, schema, writer, out, key, progress).await?;
    drop(unit);

    // Recorded first, so that no file exists without a record.
    let unit = WORK.open(store).await?;
    let recorded = unit.tenant_transfer().record_transfer(Action::TenantExported, tenant, &rows).await;
    unit.commit(recorded).await?;
    file.publish(out)?;
    Ok(rows)
}

async fn write(
    unit: &JobUnit<dyn PlatformUnit>,
    tenant: &TenantId,
    schema: &str,
    mut writer: Writer,
    out: &Path,
    key: Option<&SigningKey>,
    progress: &Progress,
) -> Result<(Finished, TenantCounts)> {
    let inventory = unit.done(unit.tenant_transfer().inventory(tenant).await)?;
    let header = Header {
        rylie_tenant_format: FORMAT,
        tenant: tenant.as_str().to_owned(),
        schema: schema.to_owned(),
        made_at: inventory.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        rows: inventory.rows.clone(),
    };
    writer.header(&header, out)?;
    let mut head = write_seals(unit, tenant, &mut writer, out).await?;
    if let Some(key) = key {
        head.time = inventory.at;
        writer.seal(Seal::Head(head.sign(key)), out)?;
    }
    let rows = inventory.rows;
    let (mut done, of) = (0, rows.values().sum());
    progress.report(done, of);
    for table in unit.tenant_transfer().tables().into_iter().filter(|table| !table.stays) {
        let mut after = None;
        while let Some(last) = write_batch(unit, tenant, table, after, &mut writer, out, &mut done).await? {
            after = Some(last);
            progress.report(done, of);
        }
    }
    let seal = unit.done(unit.tenant_transfer().seal_file(&writer.digest()).await)?;
    Ok((writer.finish(rows.clone(), seal, out)?, rows))
}

/// Writes how the tenant's audit records were sealed, and returns where they end.
async fn write_seals(
    unit: &JobUnit<dyn PlatformUnit>,
    tenant: &TenantId,
    writer: &mut Writer,
    out: &Path,
) -> Result<TenantHead> {
    let seals = unit.audit_seals();
    let mut head = TenantHead {
        tenant: tenant.as_str().to_owned(),
        batch: 0,
        total: 0,
        latest: 0,
        checkpoint: Digest::NONE,
        time: DateTime::UNIX_EPOCH,
    };
    loop {
        let batches = unit.done(seals.tenant_batches(tenant, head.batch, BATCH).await)?;
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            let checkpoint = unit.done(SignedCheckpoint::parse(&batch.checkpoint).map_err(Into::into))?;
            (head.batch, head.total) = (checkpoint.checkpoint().batch, batch.place.entry.total);
            writer.seal(Seal::Batch(batch), out)?;
            let mut last = -1;
            loop {
                let leaves = unit.done(seals.tenant_leaves(tenant, head.batch, last, BATCH).await)?;
                let Some((number, _)) = leaves.last() else { break };
                last = *number;
                leaves.into_iter().try_for_each(|(_, leaf)| writer.seal(Seal::Leaf(leaf), out))?;
            }
        }
    }
    if let Some(latest) = unit.done(seals.last_checkpoint().await)? {
        (head.latest, head.checkpoint) = (latest.checkpoint().batch, latest.hash());
        writer.seal(Seal::Latest(latest.to_text()), out)?;
    }
    Ok(head)
}

/// Writes the next rows of a table and returns the place after them, or `None` if there were none.
async fn write_batch(
    unit: &JobUnit<dyn PlatformUnit>,
    tenant: &TenantId,
    table: TenantTable,
    after: Option<String>,
    writer: &mut Writer,
    out: &Path,
    done: &mut u64,
) -> Result<Option<String>> {
    let page = unit.done(unit.tenant_transfer().rows_after(table, tenant, after, BATCH).await)?;
    for row in page.rows {
        writer.row(table.name, row, out)?;
        *done += 1;
    }
    Ok(page.next)
}
