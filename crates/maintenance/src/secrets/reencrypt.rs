//! Bringing every secret to the active key and to the form that its column's policy writes.

use rylie_repositories::{
    Grant, Progress, Retry, SecretColumn, SecretsReencrypted, Store, StoreExt, UnreadableSecret, retry,
};
use serde::Serialize;

use crate::error::{Error, Result};

/// How often a batch is done again because other units changed its rows meanwhile.
const TRIES: u32 = 5;

/// What [`reencrypt`] did.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Reencrypted {
    /// How many rows were looked at: one with two secret columns counts twice.
    pub looked_at: u64,
    /// How many values were written anew.
    pub reencrypted: u64,
    /// How many values other units kept changing; they are as those left them.
    pub changed_meanwhile: u64,
    /// Which values do not open, or are in a form that their column does not accept. They were left as they are.
    pub unreadable: Vec<UnreadableSecret>,
}

/// Brings every value of every secret column to the keyring's active key and to the form that the column's policy
/// writes, `batch` rows a transaction.
///
/// It may be stopped at any point and run again: what is done is done, and is not touched a second time. Other
/// units may write meanwhile; what they write stays. Several processes may run it at once. A process that
/// has a copy of the keyring from before the rotation still seals under the old key: give it the new one first.
///
/// In a database that is shared with the old service, a key of the old service that opens nothing of what it wrote is
/// refused before anything is written.
pub async fn reencrypt(store: &dyn Store, batch: u64, progress: &Progress) -> Result<Reencrypted> {
    let total = total(store).await?;
    let mut done = Reencrypted::default();
    for column in SecretColumn::ALL {
        let mut after = None;
        loop {
            let mut of_batch = settle(store, column, after, batch).await?;
            after = of_batch.next.take();
            done.add(of_batch);
            progress.tell(done.looked_at.min(total), total);
            if after.is_none() {
                break;
            }
        }
    }
    progress.tell(total, total);
    Ok(done)
}

impl Reencrypted {
    fn add(&mut self, batch: SecretsReencrypted) {
        self.looked_at += batch.rows;
        self.reencrypted += batch.rewritten;
        self.changed_meanwhile += batch.changed_meanwhile;
        self.unreadable.extend(batch.unreadable);
    }
}

/// One batch, done again while others get in between.
async fn settle(
    store: &dyn Store,
    column: SecretColumn,
    after: Option<String>,
    batch: u64,
) -> Result<SecretsReencrypted> {
    let mut rewritten = 0;
    for _ in 1..TRIES {
        let done = one_batch(store, column, after.clone(), batch).await?;
        rewritten += done.rewritten;
        if done.changed_meanwhile == 0 {
            return Ok(SecretsReencrypted { rewritten, ..done });
        }
    }
    let done = one_batch(store, column, after, batch).await?;
    Ok(SecretsReencrypted { rewritten: rewritten + done.rewritten, ..done })
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

/// How many values there are, to tell the progress by.
async fn total(store: &dyn Store) -> Result<u64> {
    let failed = Error::doing("counting secrets");
    let grant = Grant::job("reencrypt", "how many secrets there are").map_err(&failed)?;
    let unit = store.platform(grant).await.map_err(&failed)?;
    let mut total = 0;
    for column in SecretColumn::ALL {
        total += unit.secret_values().count(column).await.map_err(&failed)?;
    }
    Ok(total)
}
