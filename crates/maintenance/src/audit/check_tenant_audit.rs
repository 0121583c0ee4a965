//! Checking the audit records of a tenant's export, without a database.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use rylie_audit::{
    ActorPart, Digest, Document, Format, Outside, Part, PublicKey, Record, SignedCheckpoint, TargetPart, TenantCheck,
    TenantHead, TenantLeaf, Text,
};
use rylie_repositories::TenantRow;
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use crate::error::{Error, Result};
use crate::tenant::{Content, Reader, Seal};

const LOG: &str = "AuditLog";

/// The result of a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckedTenantAudit {
    /// The tenant of the records.
    pub tenant: String,
    /// Sealed records that are present and unchanged, except for removed personal parts.
    pub records: u64,
    /// Records of these that lack a personal part. The export does not show whether an erasure or tampering removed it,
    /// because erasures are records of the platform. [`verify_audit`](crate::verify_audit) shows it.
    pub emptied: u64,
    /// Records of these that are quarantined: their time or position is unreadable. The export has its text, and the
    /// record was checked with it.
    pub quarantined: u64,
    /// Sealed records that retention has removed.
    pub removed: u64,
    /// Records that were not sealed yet; nothing proves them.
    pub unsealed: u64,
    /// The latest checkpoint; `None` for a log that was never sealed.
    pub latest: Option<SignedCheckpoint>,
    /// The batches with records of the tenant.
    pub batches: BTreeMap<u64, ExportedBatch>,
    /// The signed head. Without one, missing batches at the end are not detected.
    pub head: Option<TenantHead>,
}

/// A batch in an export, to compare two exports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ExportedBatch {
    /// The hash of its checkpoint.
    pub checkpoint: Digest,
    /// The hash of the tenant's entry, which covers each of its records.
    pub entry: Digest,
    /// The number of the tenant's records in it.
    pub records: u64,
}

/// Checks that a file of [`export_tenant`](crate::export_tenant) contains every audit record of the tenant that was
/// sealed at the export, unchanged. Needs some hundred bytes of memory per record.
///
/// `trusted` are the accepted keys of checkpoints and head. If it is empty, any key is accepted, but the head must be
/// signed by a key that signed a checkpoint of the file. With external checkpoints, each batch must be among them.
/// Fails with [`Error::TenantFile`] where something is missing, changed or not trusted, and with [`Error::File`] if the
/// file cannot be read. The caller decides whether a [head](CheckedTenantAudit::head) is required; one that is present
/// must match.
pub fn check_tenant_audit(file: &Path, trusted: &[PublicKey], outside: &Outside) -> Result<CheckedTenantAudit> {
    let mut reader = Reader::open(file)?;
    let tenant = reader.header().tenant.clone();
    let (mut check, mut leaves, mut latest) =
        (TenantCheck::default(), BTreeMap::<String, (Format, TenantLeaf)>::new(), None);
    let (mut format, mut ids) = (Format::Two, BTreeSet::new());
    let (mut records, mut emptied, mut quarantined, mut unsealed) = (0, 0, 0, 0);
    let (mut head, mut keys, mut batches) = (None, Vec::new(), BTreeMap::new());
    while let Some(content) = reader.next_content()? {
        let believed = |signed: &SignedCheckpoint| {
            (trusted.is_empty() || trusted.contains(&signed.key())) && (outside.is_empty() || outside.contains(signed))
        };
        match content {
            Content::Seal(Seal::Batch(batch)) => {
                let signed = check.batch(&batch).map_err(|error| reader.not_sealed(&error))?;
                if batch.place.entry.tenant != tenant {
                    return Err(reader.wrong("the batch belongs to another tenant"));
                }
                keys.push(signed.key());
                let entry = &batch.place.entry;
                let exported = ExportedBatch { checkpoint: signed.hash(), entry: entry.leaf(), records: entry.records };
                batches.insert(signed.checkpoint().batch, exported);
                format = signed.format();
                if !believed(&signed) {
                    return Err(reader.wrong("its checkpoint has no trusted signature, or is not an external one"));
                }
            }
            Content::Seal(Seal::Leaf(leaf)) => {
                check.leaf(leaf.leaf).map_err(|error| reader.not_sealed(&error))?;
                if leaves.insert(leaf.record.clone(), (format, leaf)).is_some() {
                    return Err(reader.wrong("the record is sealed twice"));
                }
            }
            Content::Seal(Seal::Latest(text)) => {
                let signed = check.end(&text).map_err(|error| reader.not_sealed(&error))?;
                keys.push(signed.key());
                if !believed(&signed) {
                    return Err(reader.wrong("its checkpoint has no trusted signature, or is not an external one"));
                }
                latest = Some(signed);
            }
            Content::Seal(Seal::Head(text)) => {
                let signed = TenantHead::parse(&text).map_err(|error| reader.not_sealed(&error))?;
                if head.replace(signed).is_some() {
                    return Err(reader.wrong("it has two heads"));
                }
            }
            Content::Row(line) if line.table == LOG => {
                let id = line.row.get("id").and_then(|id| id.as_str()).unwrap_or_default();
                if !ids.insert(id.to_owned()) {
                    return Err(reader.wrong("the audit record appears twice"));
                }
                let Some((format, leaf)) = leaves.remove(id) else {
                    unsealed += 1;
                    continue;
                };
                let Some(record) = record(&line.row, &leaf, format).filter(|record| record.leaf() == leaf.leaf) else {
                    return Err(reader.wrong("the audit record differs from what was sealed"));
                };
                records += 1;
                let lacks = matches!(record.who, Part::Erased(_)) || matches!(record.what, Part::Erased(_));
                emptied += u64::from(lacks);
                quarantined += u64::from(record.unreadable.is_some());
            }
            Content::Row(_) => {}
        }
    }
    if !leaves.is_empty() {
        return Err(reader.wrong("a sealed audit record is missing"));
    }
    if latest.is_none() && check.batch_number() > 0 {
        return Err(reader.wrong("the latest checkpoint is missing"));
    }
    let by_whom = |key: &PublicKey| match (trusted, outside.is_empty()) {
        ([], true) => keys.is_empty() || keys.contains(key),
        ([], false) => outside.signed_by(key),
        (trusted, _) => trusted.contains(key),
    };
    if head.as_ref().is_some_and(|(_, key)| !by_whom(key)) {
        return Err(reader.wrong("its head has no trusted signature, or not one of its checkpoints' keys"));
    }
    let head = head.map(|(head, _)| head);
    if head.as_ref().is_some_and(|head| !agrees(head, &tenant, &check, latest.as_ref())) {
        return Err(reader.wrong("it does not match its signed head: batches are missing, or the tenant differs"));
    }
    let removed = check.removed();
    Ok(CheckedTenantAudit { tenant, records, emptied, quarantined, removed, unsealed, latest, batches, head })
}

fn agrees(head: &TenantHead, tenant: &str, check: &TenantCheck, latest: Option<&SignedCheckpoint>) -> bool {
    let (number, hash) = latest.map_or((0, Digest::NONE), |latest| (latest.checkpoint().batch, latest.hash()));
    head.tenant == tenant
        && (head.batch, head.total) == (check.batch_number(), check.total())
        && (head.latest, head.checkpoint) == (number, hash)
}

/// A row of the log in an export. A value of another type is invalid and never counts as null, and no member is missing: a
/// reader of the checked file would take it for the sealed value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRow {
    id: String,
    tenant_id: String,
    #[serde(deserialize_with = "present")]
    created_at: Option<String>,
    #[serde(deserialize_with = "present")]
    position: Option<Number>,
    #[serde(deserialize_with = "present")]
    action: Option<Text>,
    #[serde(deserialize_with = "present")]
    resource: Option<Text>,
    #[serde(deserialize_with = "present")]
    resource_id: Option<Text>,
    #[serde(deserialize_with = "present")]
    details: Option<Text>,
    #[serde(deserialize_with = "present")]
    user_id: Option<Text>,
    #[serde(deserialize_with = "present")]
    on_behalf_of: Option<Text>,
    #[serde(deserialize_with = "present")]
    ip_address: Option<Text>,
    #[serde(deserialize_with = "present")]
    user_agent: Option<Text>,
    #[serde(deserialize_with = "present")]
    correlation_id: Option<Text>,
}

/// The milliseconds that the hash has for an unreadable time. So a readable time in place of `null` would not change the
/// hash of a quarantined record, and is refused.
const UNREADABLE: i64 = 0;

/// Reads a member that must be present; null is allowed.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// Converts a row of an export into its record; `None` for an invalid row.
fn record(row: &TenantRow, leaf: &TenantLeaf, format: Format) -> Option<Record> {
    let row = LogRow::deserialize(row).ok()?;
    let is_quarantined = leaf.unreadable.is_some();
    let who = ActorPart {
        actor: row.user_id.unwrap_or_default(),
        on_behalf_of: row.on_behalf_of,
        address: row.ip_address,
        user_agent: row.user_agent,
        correlation: row.correlation_id,
    };
    let what = TargetPart { resource_id: row.resource_id, details: row.details.map(|text| Document::of(format, text)) };
    Some(Record {
        id: row.id,
        tenant: row.tenant_id,
        created_at: match row.created_at {
            None if is_quarantined => UNREADABLE,
            time => {
                let time = time?.parse::<DateTime<Utc>>().ok()?.timestamp_millis();
                Some(time).filter(|time| !is_quarantined || *time != UNREADABLE)?
            }
        },
        position: row.position.map(|number| number.as_i64().ok_or(())).transpose().ok()?,
        action: row.action.unwrap_or_default(),
        resource: row.resource.unwrap_or_default(),
        who: leaf.commitments.who(who),
        what: leaf.commitments.what(what),
        unreadable: leaf.unreadable.clone(),
    })
}

impl Reader {
    fn not_sealed(&self, error: &rylie_audit::Error) -> Error {
        match error {
            rylie_audit::Error::Malformed { reason, .. } => self.wrong(reason),
            _ => self.wrong("its seal cannot be checked"),
        }
    }
}
