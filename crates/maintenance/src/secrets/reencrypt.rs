//! Re-encrypting all secrets under the active key, in the form that their column's policy writes.

use std::collections::BTreeMap;

use rylie_repositories::{
    Grant, Progress, Retry, SecretColumn, SecretsReencrypted, Store, StoreExt, UnreadableSecret, retry,
};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::work::Work;

/// Number of attempts at a batch whose rows other units change concurrently.
const TRIES: u32 = 5;

/// The outcome of [`reencrypt`].
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Reencrypted {
    /// Number of rows examined; a row with two secret columns counts twice.
    pub looked_at: u64,
    /// Number of values written.
    pub reencrypted: u64,
    /// The same by key id, or by `legacy-gcm` and `plain`: in a database that is shared with the old service, values are
    /// written in its forms.
    pub written: BTreeMap<String, u64>,
    /// Number of values that other units kept changing; their values stay.
    pub changed_meanwhile: u64,
    /// Values that do not open, or have a form that their column does not accept. They are unchanged.
    pub unreadable: Vec<UnreadableSecret>,
}

/// Re-encrypts every value of every secret column under the keyring's active key, in the form that the column's policy
/// writes. Processes `batch` rows per transaction.
///
/// It may be stopped at any point and repeated: finished values are not written again. Writes of concurrent units are
/// kept. Several processes may run it concurrently. A process with a copy of the keyring from before the rotation still
/// seals under the old key: distribute the new keyring first.
///
/// Fails with [`Error::Data`]. Its source is [`NoKeyring`](rylie_repositories::Error::NoKeyring) without a keyring, and
/// [`Secret`](rylie_repositories::Error::Secret) if the keys do not fit a column's policy. In a database that is shared
/// with the old service, it is [`Invalid`](rylie_repositories::Error::Invalid) if the old service's key opens none of
/// its values. This is checked before any write.
pub async fn reencrypt(store: &dyn Store, batch: u64, progress: &Progress) -> Result<Reencrypted> {
    let (columns, total) = total(store).await?;
    let mut done = Reencrypted::default();
    for column in columns {
        let mut after = None;
        loop {
            let mut of_batch = settle(store, column, after, batch).await?;
            after = of_batch.next.take();
            done.add(of_batch);
            progress.report(done.looked_at.min(total), total);
            if after.is_none() {
                break;
            }
        }
    }
    progress.report(total, total);
    Ok(done)
}

impl Reencrypted {
    fn add(&mut self, batch: SecretsReencrypted) {
        self.looked_at += batch.rows;
        self.reencrypted += batch.rewritten;
        add(&mut self.written, batch.written);
        self.changed_meanwhile += batch.changed_meanwhile;
        self.unreadable.extend(batch.unreadable);
    }
}

/// Processes one batch, and repeats it while concurrent units change its rows.
async fn settle(
    store: &dyn Store,
    column: SecretColumn,
    after: Option<String>,
    batch: u64,
) -> Result<SecretsReencrypted> {
    let (mut rewritten, mut written) = (0, BTreeMap::new());
    let mut tries = 1;
    loop {
        let mut done = one_batch(store, column, after.clone(), batch).await?;
        rewritten += done.rewritten;
        add(&mut written, std::mem::take(&mut done.written));
        if done.changed_meanwhile == 0 || tries == TRIES {
            return Ok(SecretsReencrypted { rewritten, written, ..done });
        }
        tries += 1;
    }
}

fn add(counts: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (kind, values) in more {
        *counts.entry(kind).or_default() += values;
    }
}

async fn one_batch(
    store: &dyn Store,
    column: SecretColumn,
    after: Option<String>,
    batch: u64,
) -> Result<SecretsReencrypted> {
    let work = || async {
        let unit = store.platform(Grant::job("reencrypt", "secrets under older keys")?).await?;
        let done = unit.secret_values().reencrypt(column, after.clone(), batch).await?;
        unit.commit().await?;
        Ok(done)
    };
    retry(Retry::default(), work).await.map_err(Error::doing("re-encrypting secrets"))
}

/// Returns the columns, and the total number of values for the progress.
async fn total(store: &dyn Store) -> Result<(Vec<SecretColumn>, u64)> {
    let counting = Work { job: "reencrypt", reason: "how many secrets there are", doing: "counting secrets" };
    let unit = counting.open(store).await?;
    let mut total = 0;
    let columns = unit.secret_values().columns();
    for column in &columns {
        total += unit.done(unit.secret_values().count(*column).await)?;
    }
    Ok((columns, total))
}
