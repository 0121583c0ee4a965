//! A cache of idle connections.
//!
//! The driver's pool pings the server whenever a connection is returned, and blocks the connection meanwhile: as many
//! round trips as a short unit takes. So clean connections are cached here for the next caller. Once a second the
//! cached ones go back to the driver's pool, which manages their health, age and number.
//!
//! This file is long because one state machine leases a connection and returns it to the cache.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use crate::bounds::{Bounds, answered, is_silence};
use crate::prepared::Prepared;
use crate::probe::Probe;

/// How long a connection stays in the cache.
const AT_HAND_FOR: Duration = Duration::from_secs(1);

/// A connection that is always in use goes back to the driver's pool after this time.
const AWAY_AT_MOST: Duration = Duration::from_secs(30);

/// The time limit for closing a connection cleanly.
pub(crate) const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

/// The connection cache of one pool. Cheap to clone.
pub(crate) struct ConnectionCache<DB: Database>(Arc<Inner<DB>>);

struct Inner<DB: Database> {
    pool: sqlx::Pool<DB>,
    /// One permit per allowed connection; callers get them in order of arrival.
    places: Arc<Semaphore>,
    wait: Duration,
    bounds: Bounds,
    /// The number of callers that have a permit and wait for a new connection.
    connecting: AtomicUsize,
    probe: Probe,
    at_hand: Mutex<AtHand<DB>>,
}

/// Why no connection was leased.
pub(crate) enum NotLent {
    /// Every permit is in use.
    NoPlace,
    /// A permit was free, but no connection could be made.
    NotConnected(sqlx::Error),
}

struct AtHand<DB: Database> {
    connections: Vec<CachedConnection<DB>>,
    /// The task that returns the cached connections to the pool.
    watch: Option<JoinHandle<()>>,
}

/// A connection acquired from the driver's pool.
struct CachedConnection<DB: Database> {
    conn: PoolConnection<DB>,
    since: Instant,
    prepared: Prepared,
}

/// A leased connection. On drop, its health is checked before another caller gets it.
pub(crate) struct LeasedConnection<DB: Database> {
    /// `None` only at the end.
    cached: Option<CachedConnection<DB>>,
    cache: ConnectionCache<DB>,
    /// Held until another caller may have the connection.
    place: Option<OwnedSemaphorePermit>,
}

impl<DB: Database> Clone for ConnectionCache<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Database> ConnectionCache<DB> {
    pub(crate) fn new(pool: sqlx::Pool<DB>, bounds: Bounds) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let at_hand = Mutex::new(AtHand { connections: Vec::new(), watch: None });
        let wait = pool.options().get_acquire_timeout();
        let (connecting, probe) = (AtomicUsize::default(), Probe::default());
        Self(Arc::new(Inner { pool, places, wait, bounds, connecting, probe, at_hand }))
    }

    /// Returns the driver's pool, for its status only.
    pub(crate) fn pool(&self) -> &sqlx::Pool<DB> {
        &self.0.pool
    }

    pub(crate) fn idle(&self) -> usize {
        self.0.pool.num_idle() + self.at_hand().connections.len()
    }

    /// Returns how many permits are in use: by units, and by the cleanup after dropped ones.
    pub(crate) fn in_use(&self) -> usize {
        let most = usize::try_from(self.0.pool.options().get_max_connections()).unwrap_or(usize::MAX);
        most.saturating_sub(self.0.places.available_permits())
    }

    /// Leases a connection. Waits no longer than the pool's limit.
    pub(crate) async fn lease(&self) -> Result<LeasedConnection<DB>, NotLent> {
        let until = tokio::time::Instant::now() + self.0.wait;
        let place =
            timeout_at(until, Arc::clone(&self.0.places).acquire_owned()).await.map_err(|_| NotLent::NoPlace)?;
        let place = place.map_err(|_| NotLent::NotConnected(sqlx::Error::PoolClosed))?;
        let at_hand = self.at_hand().connections.pop();
        let cached = match at_hand {
            Some(cached) => cached,
            None => CachedConnection {
                conn: self.connect(until).await.map_err(NotLent::NotConnected)?,
                since: Instant::now(),
                prepared: Prepared::default(),
            },
        };
        Ok(LeasedConnection { cached: Some(cached), cache: self.clone(), place: Some(place) })
    }

    async fn connect(&self, until: tokio::time::Instant) -> Result<PoolConnection<DB>, sqlx::Error> {
        let _connecting = Connecting::new(&self.0.connecting);
        // Boxed: the driver's future takes a page of memory, which every unit's future would contain.
        timeout_at(until, Box::pin(self.0.pool.acquire())).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Returns the error of the server or the network if no connection can be made, else `None`.
    pub(crate) async fn refusal(&self) -> Option<Arc<sqlx::Error>> {
        self.0.probe.refusal::<DB>(&self.0.pool.connect_options()).await
    }

    /// Returns whether a caller is waiting for a new connection.
    pub(crate) fn is_connecting(&self) -> bool {
        self.0.connecting.load(Ordering::Relaxed) > 0
    }

    /// Closes all idle connections: the failure of one of them affects all.
    fn purge(&self) {
        let at_hand = std::mem::take(&mut self.at_hand().connections);
        for cached in at_hand {
            drop(cached.conn.detach());
        }
        while let Some(idle) = self.0.pool.try_acquire() {
            drop(idle.detach());
        }
    }

    pub(crate) async fn close(&self) {
        let closed = self.0.pool.close();
        self.0.places.close();
        self.put_back();
        // Waits for the leased connections, whose waits are all bounded.
        closed.await;
    }

    fn keep(&self, cached: CachedConnection<DB>) {
        let Ok(runtime) = Handle::try_current() else { return drop(cached.conn.detach()) };
        if cached.since.elapsed() > AWAY_AT_MOST {
            return self.hand_over(cached);
        }
        let mut at_hand = self.at_hand();
        at_hand.connections.push(cached);
        // The task ends with its runtime, which may not be the current one.
        if at_hand.watch.as_ref().is_none_or(JoinHandle::is_finished) {
            at_hand.watch = Some(runtime.spawn(Self::watch(Arc::downgrade(&self.0))));
        }
        drop(at_hand);
        if self.0.pool.is_closed() {
            self.put_back();
        }
    }

    async fn watch(inner: Weak<Inner<DB>>) {
        loop {
            tokio::time::sleep(AT_HAND_FOR).await;
            let Some(inner) = inner.upgrade() else { return };
            if !Self(inner).put_back() {
                return;
            }
        }
    }

    /// Returns the cached connections to the driver's pool. Returns `false` if there were none; the task then ends.
    fn put_back(&self) -> bool {
        let mut at_hand = self.at_hand();
        let connections = std::mem::take(&mut at_hand.connections);
        if connections.is_empty() {
            at_hand.watch = None;
        }
        drop(at_hand);
        let some = !connections.is_empty();
        for cached in connections {
            self.hand_over(cached);
        }
        some
    }

    /// Returns a connection to the driver's pool, which pings the server and closes the connection without an answer.
    fn hand_over(&self, mut cached: CachedConnection<DB>) {
        let Ok(runtime) = Handle::try_current() else { return drop(cached.conn.detach()) };
        let (within, returning) = (self.0.bounds.prompt(), cached.conn.return_to_pool());
        runtime.spawn(async move {
            if let Err(error) = answered(within, returning).await {
                tracing::debug!(%error, "closing an idle connection that did not answer");
            }
        });
    }

    fn at_hand(&self) -> MutexGuard<'_, AtHand<DB>> {
        self.0.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> LeasedConnection<DB> {
    pub(crate) fn conn(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.cached.as_mut().map(|cached| &mut *cached.conn).ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Returns the statements that are prepared by name on the connection.
    pub(crate) fn prepared(&mut self) -> Option<&mut Prepared> {
        self.cached.as_mut().map(|cached| &mut cached.prepared)
    }

    /// Returns the connection, on which nothing is running.
    pub(crate) fn give_back(mut self) {
        if let Some(cached) = self.cached.take() {
            self.cache.keep(cached);
        }
    }

    /// Returns the limits on waits for an answer.
    pub(crate) fn bounds(&self) -> Bounds {
        self.cache.0.bounds
    }

    /// Closes the connection after an error. If it stopped answering, closes it without waiting, and the idle ones too.
    pub(crate) fn end_after(self, error: &sqlx::Error) {
        if is_silence(error) {
            self.cache.purge();
            self.cut();
        } else {
            self.end();
        }
    }

    /// Closes the connection and the idle ones at once: their server became read-only.
    pub(crate) fn end_with_others(self) {
        self.cache.purge();
        self.cut();
    }

    /// Closes the connection in the background.
    pub(crate) fn end(mut self) {
        let (Some(CachedConnection { conn, .. }), place) = (self.cached.take(), self.place.take()) else { return };
        let Ok(runtime) = Handle::try_current() else { return drop(conn.detach()) };
        runtime.spawn(async move {
            // Errors on closing do not matter.
            let _ = tokio::time::timeout(GOODBYE_WITHIN, conn.close()).await;
            drop(place);
        });
    }

    /// Closes the connection at once, with any running work.
    pub(crate) fn cut(mut self) {
        if let Some(CachedConnection { conn, .. }) = self.cached.take() {
            drop(conn.detach());
        }
    }
}

impl<DB: Database> Drop for LeasedConnection<DB> {
    fn drop(&mut self) {
        let (Some(mut cached), place) = (self.cached.take(), self.place.take()) else { return };
        let Ok(runtime) = Handle::try_current() else { return drop(cached.conn.detach()) };
        let mut leased = Self { cached: None, cache: self.cache.clone(), place };
        runtime.spawn(async move {
            // The ping waits for running work.
            let alive = answered(leased.bounds().statement(None), cached.conn.ping()).await.and_then(|alive| alive);
            leased.cached = Some(cached);
            match alive {
                Ok(()) => leased.give_back(),
                Err(error) => leased.end_after(&error),
            }
        });
    }
}

impl<DB: Database> Drop for Inner<DB> {
    /// Closes the cached connections without a ping. Without a runtime the driver could not take them back.
    fn drop(&mut self) {
        let at_hand = self.at_hand.get_mut().unwrap_or_else(PoisonError::into_inner);
        for cached in at_hand.connections.drain(..) {
            drop(cached.conn.detach());
        }
    }
}

/// Counts a connecting caller until the value is dropped.
struct Connecting<'a>(&'a AtomicUsize);

impl<'a> Connecting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
