//! The driver's names, with a server that notices wrong use of its sessions.
//!
//! This file is long because server, pool and session are one model.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shuttle::future::yield_now;

use crate::{chance, number};

pub(crate) type Result<T> = std::result::Result<T, Error>;

#[derive(Clone, Debug)]
pub(crate) enum Error {
    PoolTimedOut,
    PoolClosed,
    WorkerCrashed,
    Refused,
    Silent,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

pub(crate) trait Database: Sized + Send + Sync + 'static {
    type Connection: Connection;
}

pub(crate) trait Connection: From<Session> + Send + Sync + 'static {
    fn ping(&mut self) -> impl Future<Output = Result<()>> + Send;
    fn release(self) -> Session;
}

pub(crate) struct Postgres;

pub(crate) struct Sqlite;

impl Database for Postgres {
    type Connection = Session;
}

impl Database for Sqlite {
    type Connection = Session;
}

/// The server and the driver's pool of its sessions.
#[derive(Default)]
pub(crate) struct Server(Mutex<State>);

#[derive(Default)]
struct State {
    most: usize,
    closed: bool,
    /// Connections that exist or are being made.
    size: usize,
    /// Connections that are on their way back or are being closed.
    leaving: usize,
    idle: Vec<Session>,
    made: u32,
    sessions: BTreeMap<u32, Seen>,
}

/// A session as the server sees it.
#[derive(Clone, Copy, Default)]
struct Seen {
    running: bool,
    used: bool,
}

impl Server {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { most, ..State::default() })))
    }

    pub(crate) fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    pub(crate) fn idle(&self) -> usize {
        self.state().idle.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session of the server. It ends when this is dropped.
pub(crate) struct Session {
    number: u32,
    server: Arc<Server>,
}

impl Session {
    /// A caller takes the session.
    pub(crate) fn begin_use(&mut self) {
        let mut state = self.server.state();
        let seen = state.sessions.get_mut(&self.number).unwrap();
        assert!(!seen.used, "two callers use one connection");
        assert!(!seen.running, "a caller got a connection on which something runs");
        seen.used = true;
    }

    pub(crate) fn end_use(&mut self) {
        self.server.state().sessions.get_mut(&self.number).unwrap().used = false;
    }

    /// Runs a statement, which goes on if this future is dropped.
    pub(crate) async fn statement(&mut self) {
        self.running(true);
        let (server, number) = (Arc::clone(&self.server), self.number);
        crate::tokio::task::spawn(async move {
            for _ in 0..crate::number(5) {
                yield_now().await;
            }
            if let Some(seen) = server.state().sessions.get_mut(&number) {
                seen.running = false;
            }
        });
        self.answered().await;
    }

    async fn answered(&self) {
        while self.server.state().sessions[&self.number].running {
            yield_now().await;
        }
    }

    fn running(&self, running: bool) {
        self.server.state().sessions.get_mut(&self.number).unwrap().running = running;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.state().sessions.remove(&self.number);
    }
}

impl Connection for Session {
    async fn ping(&mut self) -> Result<()> {
        self.answered().await;
        match number(10) {
            0 => Err(Error::Silent),
            1 => Err(Error::Refused),
            _ => Ok(()),
        }
    }

    fn release(self) -> Session {
        self
    }
}

/// One connection of the pool's number.
struct Slot(Arc<Server>);

impl Slot {
    /// An idle connection keeps its place in the number.
    fn keep(self) {
        self.0.state().size += 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.state().size -= 1;
    }
}

/// A connection that leaves its user.
struct Leaving(Arc<Server>);

impl Leaving {
    fn new(server: &Arc<Server>) -> Self {
        server.state().leaving += 1;
        Self(Arc::clone(server))
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.state().leaving -= 1;
    }
}

pub(crate) struct Pool<DB>(Arc<Server>, PhantomData<DB>);

impl<DB: Database> Pool<DB> {
    pub(crate) fn new(server: &Arc<Server>) -> Self {
        Self(Arc::clone(server), PhantomData)
    }

    pub(crate) fn options(&self) -> PoolOptions {
        PoolOptions(self.0.state().most)
    }

    pub(crate) fn connect_options(&self) {}

    pub(crate) fn is_closed(&self) -> bool {
        self.0.state().closed
    }

    pub(crate) fn num_idle(&self) -> usize {
        self.0.idle()
    }

    pub(crate) fn try_acquire(&self) -> Option<pool::PoolConnection<DB>> {
        let session = self.0.state().idle.pop()?;
        Some(self.connection(session))
    }

    pub(crate) async fn acquire(&self) -> Result<pool::PoolConnection<DB>> {
        loop {
            yield_now().await;
            if self.is_closed() {
                return Err(Error::PoolClosed);
            }
            if let Some(connection) = self.try_acquire() {
                return Ok(connection);
            }
            let mut state = self.0.state();
            if state.size < state.most {
                state.size += 1;
                break;
            }
            assert!(state.leaving > 0, "a caller waits for a connection that nobody returns");
        }
        let slot = Slot(Arc::clone(&self.0));
        yield_now().await;
        if chance(8) {
            return Err(Error::Refused);
        }
        let mut state = self.0.state();
        state.made += 1;
        let number = state.made;
        state.sessions.insert(number, Seen::default());
        assert!(state.sessions.len() <= state.most, "the server has more sessions than the pool may have");
        drop(state);
        let session = Session { number, server: Arc::clone(&self.0) };
        Ok(pool::PoolConnection { live: Some((session.into(), slot)), server: Arc::clone(&self.0) })
    }

    fn connection(&self, session: Session) -> pool::PoolConnection<DB> {
        let live = Some((session.into(), Slot(Arc::clone(&self.0))));
        pool::PoolConnection { live, server: Arc::clone(&self.0) }
    }

    /// Closes the idle connections now, and waits for the others.
    pub(crate) fn close(&self) -> impl Future<Output = ()> + use<DB> {
        let mut state = self.0.state();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        state.size -= idle.len();
        drop(state);
        drop(idle);
        let server = Arc::clone(&self.0);
        async move {
            while server.state().size > 0 {
                yield_now().await;
            }
        }
    }
}

pub(crate) struct PoolOptions(usize);

impl PoolOptions {
    pub(crate) fn get_max_connections(&self) -> u32 {
        u32::try_from(self.0).unwrap()
    }

    pub(crate) fn get_acquire_timeout(&self) -> Duration {
        Duration::from_secs(5)
    }
}

pub(crate) mod pool {
    use super::{Arc, Connection, Database, Deref, DerefMut, Leaving, Server, Slot, yield_now};

    pub(crate) struct PoolConnection<DB: Database> {
        pub(super) live: Option<(DB::Connection, Slot)>,
        pub(super) server: Arc<Server>,
    }

    impl<DB: Database> PoolConnection<DB> {
        /// The pool does not count the connection any more.
        pub(crate) fn detach(mut self) -> DB::Connection {
            self.live.take().unwrap().0
        }

        pub(crate) async fn close(mut self) -> super::Result<()> {
            let live = self.live.take();
            let _leaving = Leaving::new(&self.server);
            yield_now().await;
            drop(live);
            Ok(())
        }

        pub(crate) fn return_to_pool(&mut self) -> impl Future<Output = ()> + Send + use<DB> {
            let (live, server) = (self.live.take(), Arc::clone(&self.server));
            let leaving = Leaving::new(&server);
            async move {
                let _leaving = leaving;
                let Some((mut connection, slot)) = live else { return };
                if server.state().closed || connection.ping().await.is_err() {
                    return drop((connection, slot));
                }
                let mut state = server.state();
                if state.closed {
                    drop(state);
                    return drop((connection, slot));
                }
                state.idle.push(connection.release());
                drop(state);
                slot.keep();
            }
        }
    }

    impl<DB: Database> Deref for PoolConnection<DB> {
        type Target = DB::Connection;

        fn deref(&self) -> &DB::Connection {
            &self.live.as_ref().unwrap().0
        }
    }

    impl<DB: Database> DerefMut for PoolConnection<DB> {
        fn deref_mut(&mut self) -> &mut DB::Connection {
            &mut self.live.as_mut().unwrap().0
        }
    }

    impl<DB: Database> Drop for PoolConnection<DB> {
        fn drop(&mut self) {
            assert!(
                std::thread::panicking() || self.live.is_none(),
                "a connection went back to the driver's pool by itself"
            );
        }
    }
}
