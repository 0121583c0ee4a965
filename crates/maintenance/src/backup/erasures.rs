//! The list of erasures in the folder of the backups. A restored copy is older than some of them: they are repeated there.

use chrono::{DateTime, TimeDelta, Utc};
use rylie_audit::{Action, PublicKey, SignedDocument, SigningKey};
use rylie_repositories::{AuditFilter, Error as DataError, PageRequest, PlatformUnit, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::backup_folder::BackupFolder;
use crate::error::{Error, Result};
use crate::tenant::{erase_tenant, tenant_named};
use crate::work::Work;

const FILE: &str = "erasures.txt";
const KIND: &str = "list of erasures";

const NOTING: Work = Work {
    job: "backup",
    reason: "which erasures a restore must repeat",
    doing: "reading which tenants and users were erased",
};

const REPEATING: Work = Work {
    job: "backup",
    reason: "erasures after the backup are repeated",
    doing: "repeating erasures in the restored copy",
};

/// A transaction may commit its record some time after the record's own time.
const OVERLAP: TimeDelta = TimeDelta::days(1);

/// A tenant or user that was erased.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Erasure {
    /// The fingerprint of the database.
    pub database: String,
    /// `tenant` or `user`.
    pub kind: String,
    /// The tenant's or the user's id.
    pub id: String,
    /// The id of the erasure's record in the audit log.
    pub record: String,
    /// The time of that record.
    pub at: DateTime<Utc>,
}

/// The erasures that were repeated in a restored copy.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RepeatedErasures {
    /// Tenants.
    pub tenants: Vec<String>,
    /// Users.
    pub users: Vec<String>,
}

impl BackupFolder {
    /// The erasures on the list, the oldest first; `None` where there is no list. [`Error::BackupDamaged`] if it was changed
    /// after it was signed, or if it is signed by a key that is not `trusted`. Without any trusted key each one is taken.
    pub async fn erasures(&self, trusted: &[PublicKey]) -> Result<Option<Vec<Erasure>>> {
        let Some(text) = self.place.read(FILE).await? else { return Ok(None) };
        let damaged = |reason: String| Error::BackupDamaged { id: FILE.to_owned(), reason };
        let invalid = || damaged("its signature is invalid".to_owned());
        let signed = SignedDocument::parse(KIND, &String::from_utf8_lossy(&text)).map_err(|_| invalid())?;
        if !trusted.is_empty() && !trusted.contains(&signed.key) {
            let advice = "name its key by RYLIE_AUDIT_PUBLIC_KEY if it is yours";
            return Err(damaged(format!("it is signed by the unknown key {}; {advice}", signed.key)));
        }
        serde_json::from_value(signed.document["erasures"].clone()).map(Some).map_err(|_| invalid())
    }
}

/// Adds to the list what the audit log names as erased and the list does not have yet; returns how many. The list is
/// signed again, and made if there is none. A list that a key signed that is not `trusted` is an error, as for
/// [`BackupFolder::erasures`]. One read-only platform unit. That error is [`Error::BackupDamaged`].
pub async fn note_erasures(
    store: &dyn Store,
    folder: &BackupFolder,
    key: &SigningKey,
    trusted: &[PublicKey],
    database: &str,
) -> Result<usize> {
    let found = folder.erasures(&[trusted, &[key.public()]].concat()).await?;
    let is_new = found.is_none();
    let mut list = found.unwrap_or_default();
    let newest = list.iter().filter(|erasure| erasure.database == database).map(|erasure| erasure.at).max();
    let unit = NOTING.read(store).await?;
    let before = list.len();
    for (action, kind) in [(Action::TenantErased, "tenant"), (Action::UserDeleted, "user")] {
        let filter = AuditFilter {
            action: Some(action.as_str().to_owned()),
            from: newest.and_then(|newest| newest.checked_sub_signed(OVERLAP)),
            ..AuditFilter::default()
        };
        let mut offset = 0;
        loop {
            let page = PageRequest::new(PageRequest::MAX_LIMIT, offset);
            let records = unit.done(unit.audit().list(filter.clone(), page).await)?.items;
            let end = (records.len() as u64) < PageRequest::MAX_LIMIT;
            for record in records {
                let (id, at) = (record.id.to_string(), record.created_at.utc());
                let Some(erased) = record.resource_id else { continue };
                if list.iter().all(|known| known.record != id) {
                    let (database, kind) = (database.to_owned(), kind.to_owned());
                    list.push(Erasure { database, kind, id: erased, record: id, at });
                }
            }
            if end {
                break;
            }
            offset += PageRequest::MAX_LIMIT;
        }
    }
    drop(unit);
    let added = list.len() - before;
    if added > 0 || is_new {
        list.sort_by_key(|erasure| erasure.at);
        let text = SignedDocument::sign(KIND, &json!({ "erasures": list }), key);
        folder.place.write(FILE, &text).await?;
    }
    Ok(added)
}

/// Repeats the erasures after the copy was made. The audit log of the copy does not have their records, and reaches
/// back to their time. The time of the backup does not count, since its clock may be wrong. The database must not be
/// marked as production while this runs: [`Error::Data`] ([`Protected`](rylie_repositories::Error::Protected)). A unit
/// for each erasure.
pub async fn repeat_erasures(store: &dyn Store, erasures: &[Erasure]) -> Result<RepeatedErasures> {
    let mut repeated = RepeatedErasures::default();
    if erasures.is_empty() {
        return Ok(repeated);
    }
    let begin = begin_of_log(store).await?;
    let reaches = |erasure: &&Erasure| begin.is_none_or(|begin| erasure.at >= begin);
    for erasure in erasures.iter().filter(reaches) {
        let unit = REPEATING.open_with_pauses(store).await?;
        if unit.done(is_recorded(&*unit, erasure).await)? {
            continue;
        }
        if erasure.kind == "user" {
            let user = erasure.id.parse().map_err(|_| Error::NotATenant)?;
            let found = unit.tenant_transfer().erase_user(&user).await;
            let found = unit.commit(found).await?;
            repeated.users.extend(found.then(|| erasure.id.clone()));
            continue;
        }
        drop(unit);
        match erase_tenant(store, &tenant_named(&erasure.id)?).await {
            Ok(_) => repeated.tenants.push(erasure.id.clone()),
            Err(Error::Data { source: DataError::NotFound { .. }, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(repeated)
}

/// The time of the oldest audit record: retention has removed the earlier ones.
async fn begin_of_log(store: &dyn Store) -> Result<Option<DateTime<Utc>>> {
    let unit = REPEATING.open_with_pauses(store).await?;
    let page = |offset| unit.audit().list(AuditFilter::default(), PageRequest::new(1, offset));
    let total = unit.done(page(0).await)?.total;
    let oldest = unit.done(page(total.saturating_sub(1)).await)?.items.pop();
    Ok(oldest.and_then(|record| record.created_at.utc().checked_sub_signed(OVERLAP)))
}

/// Whether the copy was made after the erasure.
async fn is_recorded(unit: &dyn PlatformUnit, erasure: &Erasure) -> rylie_repositories::Result<bool> {
    let filter =
        AuditFilter { resource_id: Some(erasure.id.clone()), from: Some(erasure.at), ..AuditFilter::default() };
    let records = unit.audit().list(filter, PageRequest::new(PageRequest::MAX_LIMIT, 0)).await?;
    Ok(records.items.iter().any(|record| record.id.to_string() == erasure.record))
}
