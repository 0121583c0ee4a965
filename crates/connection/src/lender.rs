//! Lending connections.
//!
//! The driver's pool asks the server for a sign of life whenever a connection comes back, and lets nobody have it meanwhile: as
//! many round trips again as a short unit takes. So a connection that comes back clean is kept at hand here for the next caller.
//! Once a second all that are at hand go back to the driver's pool, which sees to their health, their age and their number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// How long a connection stays at hand.
const AT_HAND_FOR: Duration = Duration::from_secs(1);

/// After so long the driver's pool sees a connection also where it is handed on and on, and never at rest.
const AWAY_AT_MOST: Duration = Duration::from_secs(30);

/// A connection that is ended says goodbye within this time.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);

/// Lends the connections of one pool. Cheap to clone.
pub(crate) struct Lender<DB: Database>(Arc<Inner<DB>>);

struct Inner<DB: Database> {
    pool: sqlx::Pool<DB>,
    /// As many as there may be connections; callers get them in the order in which they came.
    places: Arc<Semaphore>,
    wait: Duration,
    at_hand: Mutex<AtHand<DB>>,
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
    pub(crate) fn new(pool: sqlx::Pool<DB>) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let at_hand = Mutex::new(AtHand { connections: Vec::new(), watch: None });
        let wait = pool.options().get_acquire_timeout();
        Self(Arc::new(Inner { pool, places, wait, at_hand }))
    }

    /// The driver's pool, for what is told and not lent.
    pub(crate) fn pool(&self) -> &sqlx::Pool<DB> {
        &self.0.pool
    }

    pub(crate) fn idle(&self) -> usize {
        self.0.pool.num_idle() + self.at_hand().connections.len()
    }

    /// Waits no longer than the pool's limit.
    pub(crate) async fn lend(&self) -> Result<Lent<DB>, sqlx::Error> {
        tokio::time::timeout(self.0.wait, self.next()).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    async fn next(&self) -> Result<Lent<DB>, sqlx::Error> {
        let place = Arc::clone(&self.0.places).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let at_hand = self.at_hand().connections.pop();
        let taken = match at_hand {
            Some(taken) => taken,
            // Boxed: the driver's future takes a page of memory, and would be a part of every unit's.
            None => Taken { conn: Box::pin(self.0.pool.acquire()).await?, since: Instant::now() },
        };
        Ok(Lent { taken: Some(taken), lender: self.clone(), place: Some(place) })
    }

    pub(crate) async fn close(&self) {
        let closed = self.0.pool.close();
        self.0.places.close();
        self.put_back();
        closed.await;
    }

    fn keep(&self, taken: Taken<DB>) {
        let Ok(runtime) = Handle::try_current() else { return drop(taken.conn.detach()) };
        if taken.since.elapsed() > AWAY_AT_MOST {
            return;
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
        !connections.is_empty()
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
            let alive = taken.conn.ping().await;
            lent.taken = Some(taken);
            if alive.is_ok() { lent.give_back() } else { lent.end() }
        });
    }
}

impl<DB: Database> Drop for Inner<DB> {
    /// Without a runtime the driver cannot take a connection back.
    fn drop(&mut self) {
        if Handle::try_current().is_err() {
            let at_hand = self.at_hand.get_mut().unwrap_or_else(PoisonError::into_inner);
            for taken in at_hand.connections.drain(..) {
                drop(taken.conn.detach());
            }
        }
    }
}
