//! Streaming replicas that serve read-only units.
//!
//! Background tasks probe the servers. Which replica may serve a unit is decided in memory, so every unit opens in one
//! round trip. If anything is wrong with a replica, the unit opens on the primary.

mod log;
mod look;
mod replica;
mod watch;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::holders::CallSite;
use crate::pool::{DbRole, Pool};
use crate::pool_options::PoolOptions;
use crate::transaction::Transaction;
use crate::unit_options::UnitOptions;

use log::PrimaryLog;
use look::Probe;
use replica::{Candidate, Replica};

pub use replica::ReplicaStatus;

/// A unit that does not open on a replica within this time opens on the primary.
const OPENS_WITHIN: Duration = Duration::from_secs(1);

/// How often a waiting caller checks whether a replica has caught up.
const WAITS_IN_STEPS: Duration = Duration::from_millis(5);

/// The replicas of one primary. Cheap to clone. The probes stop when the last clone is dropped.
#[derive(Clone)]
pub struct Replicas(Arc<Inner>);

struct Inner {
    primary: Pool,
    options: PoolOptions,
    urls: Vec<String>,
    replicas: Vec<Replica>,
    max_lag: Duration,
    log: Mutex<PrimaryLog>,
    /// Round-robin counter over the candidate replicas.
    turn: AtomicUsize,
    /// Signalled when a caller waits for a replica.
    hurry: Arc<Notify>,
    /// The probe tasks; they end when this value is dropped.
    watching: Mutex<JoinSet<()>>,
}

impl Replicas {
    /// Starts to probe the replicas of `primary`, which is at `url`, in tasks of the current runtime.
    ///
    /// Each URL must lead to one server, not to one of several. The replicas need not answer yet. No unit reads data
    /// older than `max_lag`.
    ///
    /// Fails with [`Error::Invalid`] for a URL that is not PostgreSQL's.
    pub fn watch(
        primary: &Pool,
        url: &str,
        options: PoolOptions,
        urls: Vec<String>,
        max_lag: Duration,
    ) -> Result<Self> {
        for url in std::iter::once(url).chain(urls.iter().map(String::as_str)) {
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return Err(Error::Invalid { what: "a replica", reason: "only PostgreSQL has replicas" });
            }
        }
        let inner = Arc::new(Inner {
            primary: primary.clone(),
            options,
            replicas: (1..=urls.len()).map(Replica::new).collect(),
            max_lag,
            log: Mutex::default(),
            turn: AtomicUsize::default(),
            hurry: Arc::default(),
            watching: Mutex::default(),
            urls,
        });
        let mut watching = inner.watching();
        watching.spawn(watch::primary(Arc::downgrade(&inner), Probe::new(url, options)));
        for (place, url) in inner.urls.iter().enumerate() {
            watching.spawn(watch::replica(Arc::downgrade(&inner), place, Probe::new(url, options)));
        }
        drop(watching);
        Ok(Self(inner))
    }

    /// Returns the state of each replica at the last probe.
    #[must_use]
    pub fn status(&self) -> Vec<ReplicaStatus> {
        let (log, row_level_security) = (self.0.log(), self.0.primary.has_row_level_security());
        self.0.replicas.iter().map(|replica| replica.status(&log, self.0.max_lag, row_level_security)).collect()
    }

    /// Closes every connection and waits for those in use, once the primary's pool is closed.
    pub async fn close(&self) {
        // First stop the probes: a running one would insert a pool again.
        let mut watching = std::mem::take(&mut *self.0.watching());
        watching.shutdown().await;
        let closed = Error::Invalid { what: "a replica", reason: "it was closed" };
        for replica in &self.0.replicas {
            let pool = replica.pool();
            replica.take_out(&closed);
            if let Some(pool) = pool {
                pool.close().await;
            }
        }
    }

    /// Begins on a replica that may serve the unit. Returns `None` if there is none or the chosen one fails; the
    /// primary then serves the unit.
    pub(crate) async fn begin(&self, db_role: &DbRole<'_>, options: UnitOptions, at: CallSite) -> Option<Transaction> {
        let fit = self.wait_for_fit(options).await?;
        // The batch fails unless the server's state still matches the last probe.
        let options = options.after(fit.replayed);
        let begun = tokio::time::timeout(OPENS_WITHIN, fit.pool.begin(db_role, options, at)).await;
        let why = match begun.unwrap_or_else(|_| Err(Error::unreachable(sqlx::Error::PoolTimedOut))) {
            Ok(transaction) => return Some(transaction),
            // The replica is healthy but busy.
            Err(Error::PoolExhausted { .. }) => return None,
            Err(why) => why,
        };
        if let Some(replica) = self.0.replicas.get(fit.replica) {
            replica.take_out(&why);
        }
        None
    }

    async fn wait_for_fit(&self, options: UnitOptions) -> Option<Candidate> {
        // A limit beyond the clock's range means no limit.
        let until = Instant::now().checked_add(options.wait_for_replica);
        loop {
            if let Some(fit) = self.0.fit(options) {
                return Some(fit);
            }
            // Do not wait for replicas that are all out of service.
            if until.is_some_and(|until| Instant::now() >= until)
                || self.0.replicas.iter().all(|replica| replica.pool().is_none())
            {
                return None;
            }
            self.0.hurry.notify_waiters();
            tokio::time::sleep(WAITS_IN_STEPS).await;
        }
    }
}

impl Inner {
    /// Returns a replica that may serve the unit, in round-robin order.
    fn fit(&self, options: UnitOptions) -> Option<Candidate> {
        let (after, row_level_security) = (options.after.unwrap_or_default(), self.primary.has_row_level_security());
        let (log, number) = (self.log(), self.replicas.len());
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..number).map(|step| first.wrapping_add(step) % number).find_map(|replica| {
            let standing = self.replicas[replica].fit(after, &log, self.max_lag, row_level_security)?;
            Some(Candidate { replica, pool: standing.pool, replayed: standing.replayed })
        })
    }

    fn log(&self) -> MutexGuard<'_, PrimaryLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watching(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.watching.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the pause between two probes of a server: short, so that the delay of a probe is small against the lag
    /// limit.
    fn pause(&self) -> Duration {
        (self.max_lag / 8).clamp(Duration::from_millis(50), Duration::from_secs(1))
    }
}

/// Shortens the wait for a connection to a replica, because the primary can serve the unit.
fn replica_options(options: PoolOptions) -> PoolOptions {
    PoolOptions { acquire_timeout: options.acquire_timeout.min(OPENS_WITHIN / 2), ..options }
}
