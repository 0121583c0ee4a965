//! The lock that allows one migration at a time on a PostgreSQL database.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

use rylie_driver::{Blocker, code_of};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::options::{DeployProgress, Listener};
use crate::step::Target;

/// The bytes of "rylie mg" as a number. All advisory locks of a database share one number space.
const KEY: i64 = 0x7279_6C69_6520_6D67;

/// Takes the lock. Polls instead of waiting in the server: a waiting statement holds a snapshot, and the holder's
/// `CREATE INDEX CONCURRENTLY` would wait for that snapshot.
pub(crate) async fn acquire(connection: &mut Connection, limit: Duration, progress: Listener<'_>) -> Result<()> {
    let start = Instant::now();
    let mut pause = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
    while !try_acquire(connection).await? {
        let holder = holder(connection).await?;
        if start.elapsed() >= limit {
            return Err(Error::Locked { holder, waited: start.elapsed() });
        }
        progress(DeployProgress::Waiting { holder: holder.as_ref() });
        tokio::time::sleep(pause.next()).await;
    }
    Ok(())
}

async fn try_acquire(connection: &mut Connection) -> Result<bool> {
    let sql = format!("SELECT pg_try_advisory_lock({KEY})::text");
    let taken = connection.value(&sql).await.map_err(Error::doing("taking the migration lock"))?;
    Ok(taken.as_deref() == Some("true"))
}

/// Releases the lock. If that fails, the connection is lost and the lock with it.
pub(crate) async fn release(connection: &mut Connection) {
    if let Err(error) = connection.execute(&format!("SELECT pg_advisory_unlock({KEY})")).await {
        tracing::warn!(%error, "the migration lock was not released; it ends with its connection");
    }
}

async fn holder(connection: &mut Connection) -> Result<Option<Blocker>> {
    // PostgreSQL shows a 64-bit key as two halves.
    let (high, low) = (KEY >> 32, KEY & 0xFFFF_FFFF);
    let sql = format!(
        "SELECT {}::text FROM (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint = {high} \
         AND objid::bigint = {low} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) p \
         LEFT JOIN pg_stat_activity a ON a.pid = p.pid",
        Blocker::COLUMNS
    );
    let row = connection.value(&sql).await.map_err(Error::doing("finding the holder of the migration lock"))?;
    Ok(row.and_then(|row| serde_json::from_str(&row).ok()))
}

/// Growing pauses with random jitter, so that waiting processes do not poll at the same time.
pub(crate) struct Backoff {
    pause: Duration,
    most: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { pause: first, most }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = self.most.min(pause * 2);
        // The standard library's only randomness, which suffices to spread a few processes.
        let percent = RandomState::new().build_hasher().finish() % 51;
        pause * u32::try_from(50 + percent).unwrap_or(100) / 100
    }
}

/// Switches the file to WAL mode: concurrent readers and one writer. The switch needs exclusive access for a moment and
/// does not wait for it, so it is retried. The mode persists in the file.
pub(crate) async fn use_wal(connection: &mut Connection) -> Result<()> {
    let mut pause = Backoff::new(Duration::from_millis(10), Duration::from_millis(200));
    for _ in 0..100 {
        match connection.execute("PRAGMA journal_mode = WAL").await {
            Err(error) if is_busy(&error) => tokio::time::sleep(pause.next()).await,
            outcome => return outcome.map_err(Error::doing("switching the file to write-ahead logging")),
        }
    }
    Err(Error::Locked { holder: None, waited: Duration::from_secs(20) })
}

/// Returns whether the error is `SQLITE_BUSY`, extended codes included.
fn is_busy(error: &sqlx::Error) -> bool {
    code_of(error).and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| code & 0xff == 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_are_never_longer() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let pauses: Vec<Duration> = (0..10).map(|_| backoff.next()).collect();

        assert!(pauses[0] <= Duration::from_millis(100));
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(1)));
        assert!(pauses[9] >= Duration::from_millis(500));
    }
}
