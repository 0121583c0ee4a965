//! Lending connections.
//!
//! The driver's pool asks the server for a sign of life whenever a connection comes back, and lets nobody have it meanwhile: as
//! many round trips again as a short unit takes. So a connection that comes back clean is kept at hand here for the next caller.
//! Once a second all that are at hand go back to the driver's pool, which sees to their health, their age and their number.
//!
//! Longer than usual: a connection's way out of the cache and back is one state machine.

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
use crate::probe::Probe;

/// How long a connection stays at hand.
const AT_HAND_FOR: Duration = Duration::from_secs(1);

/// After so long the driver's pool sees a connection also where it is handed on and on, and never at rest.
const AWAY_AT_MOST: Duration = Duration::from_secs(30);

/// A connection that is ended says goodbye within this time.
pub(crate) const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

/// Lends the connections of one pool. Cheap to clone.
pub(crate) struct Lender<DB: Database>(Arc<Inner<DB>>);

struct Inner<DB: Database> {
    pool: sqlx::Pool<DB>,
    /// As many as there may be connections; callers get them in the order in which they came.
    places: Arc<Semaphore>,
    wait: Duration,
    bounds: Bounds,
    /// How many callers have a place and wait for a new connection.
    connecting: AtomicUsize,
    probe: Probe,
    at_hand: Mutex<AtHand<DB>>,
}

/// Why no connection was lent.
pub(crate) enum NotLent {
    /// Every place is taken.
    NoPlace,
    /// There is a place, and no connection could be made.
    NotConnected(sqlx::Error),
}

struct AtHand<DB: Database> {
    connections: Vec<Taken<DB>>,
    /// The task that will give them to the pool.
    watch: Option<JoinHandle<()>>,
}

/// A connection that was taken from the driver's pool.
struct Taken<DB: Database> {
    conn: PoolConnection<DB>,
    since: Instant,
}

/// A connection that is lent. Dropped, it is found out whether it is still good before somebody else has it.
pub(crate) struct Lent<DB: Database> {
    /// `None` only at the end.
    taken: Option<Taken<DB>>,
    lender: Lender<DB>,
    /// Kept for as long as nobody else can have the connection.
    place: Option<OwnedSemaphorePermit>,
}

impl<DB: Database> Clone for Lender<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Database> Lender<DB> {
    pub(crate) fn new(pool: sqlx::Pool<DB>, bounds: Bounds) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let at_hand = Mutex::new(AtHand { connections: Vec::new(), watch: None });
        let wait = pool.options().get_acquire_timeout();
        let (connecting, probe) = (AtomicUsize::default(), Probe::default());
        Self(Arc::new(Inner { pool, places, wait, bounds, connecting, probe, at_hand }))
    }

    /// The driver's pool, for what is told and not lent.
    pub(crate) fn pool(&self) -> &sqlx::Pool<DB> {
        &self.0.pool
    }

    pub(crate) fn idle(&self) -> usize {
        self.0.pool.num_idle() + self.at_hand().connections.len()
    }

    /// How many places are taken: by units, and by what is tidied up behind those that were given up.
    pub(crate) fn in_use(&self) -> usize {
        let most = usize::try_from(self.0.pool.options().get_max_connections()).unwrap_or(usize::MAX);
        most.saturating_sub(self.0.places.available_permits())
    }

    /// Waits no longer than the pool's limit.
    pub(crate) async fn lend(&self) -> Result<Lent<DB>, NotLent> {
        let until = tokio::time::Instant::now() + self.0.wait;
        let place =
            timeout_at(until, Arc::clone(&self.0.places).acquire_owned()).await.map_err(|_| NotLent::NoPlace)?;
        let place = place.map_err(|_| NotLent::NotConnected(sqlx::Error::PoolClosed))?;
        let at_hand = self.at_hand().connections.pop();
        let taken = match at_hand {
            Some(taken) => taken,
            None => Taken { conn: self.connect(until).await.map_err(NotLent::NotConnected)?, since: Instant::now() },
        };
        Ok(Lent { taken: Some(taken), lender: self.clone(), place: Some(place) })
    }

    async fn connect(&self, until: tokio::time::Instant) -> Result<PoolConnection<DB>, sqlx::Error> {
        let _connecting = Connecting::new(&self.0.connecting);
        // Boxed: the driver's future takes a page of memory, and would be a part of every unit's.
        timeout_at(until, Box::pin(self.0.pool.acquire())).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// Why no connection can be made, in the words of the server or of the network; `None` if one can.
    pub(crate) async fn refusal(&self) -> Option<Arc<sqlx::Error>> {
        self.0.probe.refusal::<DB>(&self.0.pool.connect_options()).await
    }

    /// Whether somebody tries to connect, and does not get through.
    pub(crate) fn is_connecting(&self) -> bool {
        self.0.connecting.load(Ordering::Relaxed) > 0
    }

    /// Ends the connections that nobody has: what one of them met, all will.
    fn purge(&self) {
        let at_hand = std::mem::take(&mut self.at_hand().connections);
        for taken in at_hand {
            drop(taken.conn.detach());
        }
        while let Some(idle) = self.0.pool.try_acquire() {
            drop(idle.detach());
        }
    }

    pub(crate) async fn close(&self) {
        let closed = self.0.pool.close();
        self.0.places.close();
        self.put_back();
        // Whoever has a connection is waited for: all that it waits for has a bound.
        closed.await;
    }

    fn keep(&self, taken: Taken<DB>) {
        let Ok(runtime) = Handle::try_current() else { return drop(taken.conn.detach()) };
        if taken.since.elapsed() > AWAY_AT_MOST {
            return self.hand_over(taken);
        }
        let mut at_hand = self.at_hand();
        at_hand.connections.push(taken);
        // It ends with its runtime, which need not be the one under way.
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

    /// Gives what is at hand to the driver's pool; `false` if that was nothing, and nobody watches from now on.
    fn put_back(&self) -> bool {
        let mut at_hand = self.at_hand();
        let connections = std::mem::take(&mut at_hand.connections);
        if connections.is_empty() {
            at_hand.watch = None;
        }
        drop(at_hand);
        let some = !connections.is_empty();
        for taken in connections {
            self.hand_over(taken);
        }
        some
    }

    /// Gives a connection to the driver's pool, which asks the server for a sign of life. Where none comes, the connection ends.
    fn hand_over(&self, mut taken: Taken<DB>) {
        let Ok(runtime) = Handle::try_current() else { return drop(taken.conn.detach()) };
        let (within, returning) = (self.0.bounds.prompt(), taken.conn.return_to_pool());
        runtime.spawn(async move {
            if let Err(error) = answered(within, returning).await {
                tracing::debug!(%error, "an idle connection is ended");
            }
        });
    }

    fn at_hand(&self) -> MutexGuard<'_, AtHand<DB>> {
        self.0.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> Lent<DB> {
    pub(crate) fn conn(&mut self) -> Result<&mut DB::Connection, sqlx::Error> {
        self.taken.as_mut().map(|taken| &mut *taken.conn).ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Gives it back with nothing under way on it.
    pub(crate) fn give_back(mut self) {
        if let Some(taken) = self.taken.take() {
            self.lender.keep(taken);
        }
    }

    /// The longest waits for an answer on it.
    pub(crate) fn bounds(&self) -> Bounds {
        self.lender.0.bounds
    }

    /// Ends it after an error. One that fell silent is not waited for, nor are the idle ones beside it trusted.
    pub(crate) fn end_after(self, error: &sqlx::Error) {
        if is_silence(error) {
            self.lender.purge();
            self.cut();
        } else {
            self.end();
        }
    }

    /// Ends it at once, and those that nobody has: they lead to a server that takes no writes any more.
    pub(crate) fn end_with_others(self) {
        self.lender.purge();
        self.cut();
    }

    /// Ends the connection.
    pub(crate) fn end(mut self) {
        let (Some(Taken { conn, .. }), place) = (self.taken.take(), self.place.take()) else { return };
        let Ok(runtime) = Handle::try_current() else { return drop(conn.detach()) };
        runtime.spawn(async move {
            // Whether it could say goodbye makes no difference any more.
            let _ = tokio::time::timeout(GOODBYE_WITHIN, conn.close()).await;
            drop(place);
        });
    }

    /// Ends it at once, and what is under way on it.
    pub(crate) fn cut(mut self) {
        if let Some(Taken { conn, .. }) = self.taken.take() {
            drop(conn.detach());
        }
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        let (Some(mut taken), place) = (self.taken.take(), self.place.take()) else { return };
        let Ok(runtime) = Handle::try_current() else { return drop(taken.conn.detach()) };
        let mut lent = Self { taken: None, lender: self.lender.clone(), place };
        runtime.spawn(async move {
            // It waits for what is under way.
            let alive = answered(lent.bounds().statement(None), taken.conn.ping()).await.and_then(|alive| alive);
            lent.taken = Some(taken);
            match alive {
                Ok(()) => lent.give_back(),
                Err(error) => lent.end_after(&error),
            }
        });
    }
}

impl<DB: Database> Drop for Inner<DB> {
    /// Nobody needs them any more, so nobody waits for a sign of life; without a runtime the driver could not take them back.
    fn drop(&mut self) {
        let at_hand = self.at_hand.get_mut().unwrap_or_else(PoisonError::into_inner);
        for taken in at_hand.connections.drain(..) {
            drop(taken.conn.detach());
        }
    }
}

/// Counts a caller who connects, until the value is dropped.
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
