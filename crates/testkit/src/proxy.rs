//! A slow or broken network, in the test's own process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::{Error, Result};

/// A TCP proxy in front of a server that delays what passes through it and can cut its connections. It works for as
/// long as the value lives and the runtime that started it runs.
///
/// The delay is one of latency: what is sent at once arrives at once, later.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Shared {
    to_server: Direction,
    to_client: Direction,
    accepted: AtomicU64,
    round_trips: AtomicU64,
    connections: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Direction {
    delay_ms: AtomicU64,
    bytes: AtomicU64,
}

impl DelayProxy {
    /// A proxy on a free port of 127.0.0.1 for the server at `host:port`.
    pub async fn start(server: impl Into<String>) -> Result<Self> {
        let doing = "starting a proxy";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(doing))?;
        let address = listener.local_addr().map_err(Error::io(doing))?;
        let shared = Arc::<Shared>::default();
        let accepting = tokio::spawn(accept(listener, server.into(), Arc::clone(&shared)));
        Ok(Self { address, shared, accepting: accepting.abort_handle() })
    }

    /// From now on, what a client sends reaches the server this much later.
    pub fn delay_to_server(&self, delay: Duration) {
        self.shared.to_server.set_delay(delay);
    }

    /// From now on, what the server answers reaches the client this much later.
    pub fn delay_to_client(&self, delay: Duration) {
        self.shared.to_client.set_delay(delay);
    }

    /// Cuts all connections; what is under way is lost. New ones are let through.
    pub async fn sever(&self) {
        let mut connections = std::mem::take(&mut *self.shared.connections());
        connections.shutdown().await;
    }

    /// Where to connect instead of to the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections clients have opened so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    /// How many times so far a client has sent something after it had an answer: how often somebody waited, or will.
    /// What is sent at once is one, however many statements it holds.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Relaxed)
    }

    /// How many bytes have come from clients so far.
    #[must_use]
    pub fn bytes_to_server(&self) -> u64 {
        self.shared.to_server.bytes.load(Relaxed)
    }

    /// How many bytes have come from the server so far.
    #[must_use]
    pub fn bytes_to_client(&self) -> u64 {
        self.shared.to_client.bytes.load(Relaxed)
    }
}

impl Drop for DelayProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.connections().abort_all();
    }
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Direction {
    fn set_delay(&self, delay: Duration) {
        let milliseconds = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.delay_ms.store(milliseconds, Relaxed);
    }

    fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Relaxed))
    }
}

async fn accept(listener: TcpListener, server: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Relaxed);
        let connection = connect(client, server.clone(), Arc::clone(&shared));
        let mut connections = shared.connections();
        while connections.try_join_next().is_some() {} // forgets those that have ended
        connections.spawn(connection);
    }
}

async fn connect(client: TcpStream, server: String, shared: Arc<Shared>) {
    // An error of one side ends the other side too, as both streams are dropped: that is all a proxy can say.
    let _ = forward(client, &server, &shared).await;
}

async fn forward(client: TcpStream, server: &str, shared: &Shared) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answered = AtomicBool::new(true);
    let asked = || {
        if answered.swap(false, Relaxed) {
            shared.round_trips.fetch_add(1, Relaxed);
        }
    };
    let answering = || answered.store(true, Relaxed);
    tokio::try_join!(
        pass(from_client, to_server, &shared.to_server, asked),
        pass(from_server, to_client, &shared.to_client, answering),
    )?;
    Ok(())
}

/// Passes one direction on until it ends, and says so when something comes. Reading goes on while what was read waits for
/// its time.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    direction: &Direction,
    passing: impl Fn(),
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            direction.bytes.fetch_add(length as u64, Relaxed);
            passing();
            let due = Instant::now() + direction.delay();
            if sender.send((due, buffer[..length].to_vec())).is_err() {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}
