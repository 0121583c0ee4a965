//! Exporting one tenant, whole, to a file.

use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use rylie_audit::{Action, Digest, SignedCheckpoint, SigningKey, TenantHead};
use rylie_entities::{TENANT_TABLES, TenantId, TenantTable};
use rylie_repositories::{Grant, PlatformUnit, Progress, Store, StoreExt, TenantCounts};

use super::tenant_file::{FORMAT, Finished, Header, Seal, Writer};
use crate::error::{Error, Result};

/// Rows read at once, and so held in memory.
const BATCH: u64 = 500;

const DOING: &str = "exporting a tenant";

/// Writes every row of the tenant, audit records included, to the file `out`, and returns how many of each table. With them
/// goes what it takes to check that the audit records are complete: [`check_tenant_audit`](crate::check_tenant_audit). With the
/// `key` that signs checkpoints it signs up to where they go, so that none can be left off the end.
///
/// A store with a keyring seals the file with it, so that an [import](crate::import_tenant) under the same keyring knows it.
///
/// One consistent state of the database, in bounded memory. The file is for its owner alone and appears when it is
/// whole; one that is there is never written over ([`Error::FileExists`]). Secrets stay sealed as they are stored, but sessions
/// and API keys are in it: guard it as the database. `schema` names the database's newest migration: the file can be imported
/// where it is the same. Recorded. Writes to the file system without yielding to other tasks.
pub async fn export_tenant(
    store: &dyn Store,
    tenant: &TenantId,
    schema: &str,
    out: &Path,
    key: Option<&SigningKey>,
    progress: &Progress,
) -> Result<TenantCounts> {
    let failed = Error::doing(DOING);
    let grant = Grant::job("export-tenant", "to hand a tenant its data, or to move it").map_err(&failed)?;
    let unit = store.platform(grant.clone()).read_only().on_primary().await.map_err(&failed)?;
    let writer = Writer::create(out)?;
    let (file, rows) = write(&*unit, tenant, schema, writer, out, key, progress).await?;
    drop(unit);

    // Recorded first: no file without a record.
    let unit = store.platform(grant).await.map_err(&failed)?;
    let recorded = unit.tenant_transfer().record_transfer(Action::TenantExported, tenant, &rows).await;
    recorded.map_err(&failed)?;
    unit.commit().await.map_err(&failed)?;
    file.publish(out)?;
    Ok(rows)
}

async fn write(
    unit: &dyn PlatformUnit,
    tenant: &TenantId,
    schema: &str,
    mut writer: Writer,
    out: &Path,
    key: Option<&SigningKey>,
    progress: &Progress,
) -> Result<(Finished, TenantCounts)> {
    let inventory = unit.tenant_transfer().inventory(tenant).await.map_err(Error::doing(DOING))?;
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
    progress.tell(done, of);
    for table in TENANT_TABLES {
        let mut after = String::new();
        while let Some(last) = write_batch(unit, tenant, *table, &after, &mut writer, out, &mut done).await? {
            after = last;
            progress.tell(done, of);
        }
    }
    let seal = unit.tenant_transfer().seal_file(&writer.digest()).await.map_err(Error::doing(DOING))?;
    Ok((writer.finish(rows.clone(), seal, out)?, rows))
}

/// Writes how the tenant's audit records were sealed; says up to where they go.
async fn write_seals(
    unit: &dyn PlatformUnit,
    tenant: &TenantId,
    writer: &mut Writer,
    out: &Path,
) -> Result<TenantHead> {
    let (failed, seals) = (Error::doing(DOING), unit.audit_seals());
    let mut head = TenantHead {
        tenant: tenant.as_str().to_owned(),
        batch: 0,
        total: 0,
        latest: 0,
        checkpoint: Digest::NONE,
        time: DateTime::UNIX_EPOCH,
    };
    loop {
        let batches = seals.tenant_batches(tenant, head.batch, BATCH).await.map_err(&failed)?;
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            let checkpoint = SignedCheckpoint::parse(&batch.checkpoint).map_err(|error| failed(error.into()))?;
            (head.batch, head.total) = (checkpoint.checkpoint().batch, batch.place.entry.total);
            writer.seal(Seal::Batch(batch), out)?;
            let mut last = -1;
            loop {
                let leaves = seals.tenant_leaves(tenant, head.batch, last, BATCH).await.map_err(&failed)?;
                let Some((number, _)) = leaves.last() else { break };
                last = *number;
                leaves.into_iter().try_for_each(|(_, leaf)| writer.seal(Seal::Leaf(leaf), out))?;
            }
        }
    }
    if let Some(latest) = seals.last_checkpoint().await.map_err(&failed)? {
        (head.latest, head.checkpoint) = (latest.checkpoint().batch, latest.hash());
        writer.seal(Seal::Latest(latest.to_text()), out)?;
    }
    Ok(head)
}

/// Writes the next rows of a table; the last one's id, or `None` if there were none.
async fn write_batch(
    unit: &dyn PlatformUnit,
    tenant: &TenantId,
    table: TenantTable,
    after: &str,
    writer: &mut Writer,
    out: &Path,
    done: &mut u64,
) -> Result<Option<String>> {
    let rows = unit.tenant_transfer().rows_after(table, tenant, after, BATCH).await.map_err(Error::doing(DOING))?;
    let mut last = None;
    for row in rows {
        last = row.get("id").and_then(|id| id.as_str()).map(str::to_owned);
        writer.row(table.name, row, out)?;
        *done += 1;
    }
    Ok(last)
}
