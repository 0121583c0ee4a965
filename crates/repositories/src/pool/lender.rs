//! Lending connections.
//!
//! The driver's pool asks the server for a sign of life whenever a connection comes back, and lets nobody have it meanwhile: as
//! many round trips again as a short unit takes. So a connection that comes back clean is kept at hand here for the next caller.
//! Once a second all that are at hand go back to the driver's pool, which sees to their health, their age and their number.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Database;
use sqlx::pool::PoolConnection;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a connection stays at hand.
const AT_HAND_FOR: Duration = Duration::from_secs(1);

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
    connections: Vec<PoolConnection<DB>>,
    /// Whether a task is there that will give them to the pool.
    is_watched: bool,
}

/// A connection that is lent. Dropped, it goes back to the driver's pool, which finds out whether it is still good.
pub(crate) struct Lent<DB: Database> {
    pub(crate) conn: PoolConnection<DB>,
    lender: Lender<DB>,
    place: OwnedSemaphorePermit,
}

impl<DB: Database> Clone for Lender<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Database> Lender<DB> {
    pub(super) fn new(pool: sqlx::Pool<DB>) -> Self {
        let most = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let at_hand = Mutex::new(AtHand { connections: Vec::new(), is_watched: false });
        let wait = pool.options().get_acquire_timeout();
        Self(Arc::new(Inner { pool, places, wait, at_hand }))
    }

    /// The driver's pool, for what is told and not lent.
    pub(super) fn pool(&self) -> &sqlx::Pool<DB> {
        &self.0.pool
    }

    pub(super) fn idle(&self) -> usize {
        self.0.pool.num_idle() + self.at_hand().connections.len()
    }

    /// Waits for its turn no longer than the pool's limit.
    pub(super) async fn lend(&self) -> Result<Lent<DB>, sqlx::Error> {
        let place = tokio::time::timeout(self.0.wait, Arc::clone(&self.0.places).acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let at_hand = self.at_hand().connections.pop();
        let conn = match at_hand {
            Some(conn) => conn,
            // Boxed: the driver's future takes a page of memory, and would be a part of every unit's.
            None => Box::pin(self.0.pool.acquire()).await?,
        };
        Ok(Lent { conn, lender: self.clone(), place })
    }

    pub(super) async fn close(&self) {
        let closed = self.0.pool.close();
        self.0.places.close();
        self.put_back();
        closed.await;
    }

    fn keep(&self, conn: PoolConnection<DB>) {
        let Ok(runtime) = Handle::try_current() else { return drop(conn.detach()) };
        let mut at_hand = self.at_hand();
        at_hand.connections.push(conn);
        if !std::mem::replace(&mut at_hand.is_watched, true) {
            let lender = Arc::downgrade(&self.0);
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(AT_HAND_FOR).await;
                    let Some(inner) = lender.upgrade() else { return };
                    if !Self(inner).put_back() {
                        return;
                    }
                }
            });
        }
        drop(at_hand);
        if self.0.pool.is_closed() {
            self.put_back();
        }
    }

    /// Gives what is at hand to the driver's pool; `false` if that was nothing, and nobody watches from now on.
    fn put_back(&self) -> bool {
        let mut at_hand = self.at_hand();
        let connections = std::mem::take(&mut at_hand.connections);
        at_hand.is_watched = !connections.is_empty();
        at_hand.is_watched
    }

    fn at_hand(&self) -> MutexGuard<'_, AtHand<DB>> {
        self.0.at_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Database> Lent<DB> {
    /// Gives it back with nothing under way on it.
    pub(crate) fn give_back(self) {
        let Self { conn, lender, place } = self;
        lender.keep(conn);
        drop(place);
    }

    /// Ends the connection.
    pub(crate) fn end(mut self) {
        self.conn.close_on_drop();
    }
}

impl<DB: Database> Drop for Inner<DB> {
    /// Without a runtime the driver cannot take a connection back.
    fn drop(&mut self) {
        if Handle::try_current().is_err() {
            let at_hand = self.at_hand.get_mut().unwrap_or_else(PoisonError::into_inner);
            for conn in at_hand.connections.drain(..) {
                drop(conn.detach());
            }
        }
    }
}
