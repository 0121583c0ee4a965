//! A slow or broken network, inside the test process.
//!
//! This file is long because the proxy's switches and its threads share one state.

mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use self::wire::Wire;
use crate::{Error, Result};

/// A TCP proxy in front of a server that delays or loses traffic, or cuts its connections. It works while the value and
/// the runtime that started it live.
///
/// The delay is latency: bytes that are sent together arrive together, later.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// The direction of traffic that a proxy silently drops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lost {
    /// From clients to the server.
    ToServer,
    /// From the server to clients.
    ToClient,
    /// Both directions.
    Everything,
}

/// The fault that a proxy applies to `COMMIT`. It recognises the message on connections without TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnCommit {
    /// The message passes.
    #[default]
    Pass,
    /// The connection is cut before the server receives the message.
    CutBefore,
    /// The server never receives the message. The connection stays open and silent.
    SwallowBefore,
    /// The server commits. The connection is cut instead of the answer.
    CutAnswer,
    /// The server commits, and its answer is lost. The connection stays open and silent.
    SwallowAnswer,
}

#[derive(Debug, Default)]
struct Shared {
    to_server: Direction,
    to_client: Direction,
    accepted: AtomicU64,
    /// Connections up to this number carry no traffic.
    forgotten: AtomicU64,
    round_trips: AtomicU64,
    in_bytes: AtomicBool,
    /// Whether ending connections are reset.
    resets: AtomicBool,
    on_commit: Mutex<OnCommit>,
    commits: AtomicU64,
    /// The SQL that clients sent; `None` if it is not recorded.
    statements: Mutex<Option<Vec<String>>>,
    connections: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Direction {
    delay_ms: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicBool,
}

impl DelayProxy {
    /// Starts a proxy on a free port of 127.0.0.1 for the server at `host:port`.
    pub async fn start(server: impl Into<String>) -> Result<Self> {
        let doing = "starting a proxy";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(doing))?;
        let address = listener.local_addr().map_err(Error::io(doing))?;
        let shared = Arc::<Shared>::default();
        let accepting = tokio::spawn(accept(listener, server.into(), Arc::clone(&shared)));
        Ok(Self { address, shared, accepting: accepting.abort_handle() })
    }

    /// Delays traffic to the server by this time from now on.
    pub fn delay_to_server(&self, delay: Duration) {
        self.shared.to_server.set_delay(delay);
    }

    /// Delays traffic to clients by this time from now on.
    pub fn delay_to_client(&self, delay: Duration) {
        self.shared.to_client.set_delay(delay);
    }

    /// Reads and discards this traffic from now on, on open and on new connections. They stay open; neither side gets
    /// an error.
    pub fn lose(&self, lost: Lost) {
        self.shared.to_server.lost.store(lost != Lost::ToClient, Relaxed);
        self.shared.to_client.lost.store(lost != Lost::ToServer, Relaxed);
    }

    /// Passes all traffic again. Lost bytes stay lost, so a connection that waits for them continues to wait.
    pub fn lose_nothing(&self) {
        self.shared.to_server.lost.store(false, Relaxed);
        self.shared.to_client.lost.store(false, Relaxed);
    }

    /// Drops all traffic of the open connections from now on, like a gateway that lost their state. New connections
    /// work.
    pub fn forget(&self) {
        self.shared.forgotten.store(self.shared.accepted.load(Relaxed), Relaxed);
    }

    /// Cuts all connections and refuses new ones.
    pub async fn close(&self) {
        self.accepting.abort();
        while !self.accepting.is_finished() {
            tokio::task::yield_now().await;
        }
        self.sever().await;
    }

    /// Sends each byte separately from now on.
    pub fn in_bytes(&self, in_bytes: bool) {
        self.shared.in_bytes.store(in_bytes, Relaxed);
    }

    /// Applies this fault to each `COMMIT` from now on.
    pub fn on_commit(&self, fault: OnCommit) {
        *self.shared.on_commit.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Returns how often clients have sent `COMMIT`, including those that were dropped.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Relaxed)
    }

    /// Records the SQL that clients send from now on, without the values. A statement that a connection has prepared is
    /// recorded once; a store with the setting `behind_pooler` prepares each again. Connections with TLS are not read.
    pub fn record_statements(&self) {
        *self.shared.statements() = Some(Vec::new());
    }

    /// Returns the SQL that was recorded since the last call, in the order in which it was sent.
    #[must_use]
    pub fn take_statements(&self) -> Vec<String> {
        self.shared.statements().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Resets all connections: either side gets an error instead of an end of stream. New connections work.
    pub async fn reset(&self) {
        self.shared.resets.store(true, Relaxed);
        self.sever().await;
        self.shared.resets.store(false, Relaxed);
    }

    /// Cuts all connections and loses traffic in transit. New connections work.
    pub async fn sever(&self) {
        let mut connections = std::mem::take(&mut *self.shared.connections());
        connections.shutdown().await;
    }

    /// Returns the address to connect to instead of the server's.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many connections clients have opened so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.accepted.load(Relaxed)
    }

    /// Counts the round trips so far: how often a client sent bytes after an answer. Statements that are sent together
    /// count once.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.shared.round_trips.load(Relaxed)
    }

    /// Returns how many bytes clients have sent so far.
    #[must_use]
    pub fn bytes_to_server(&self) -> u64 {
        self.shared.to_server.bytes.load(Relaxed)
    }

    /// Returns how many bytes the server has sent so far.
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
    fn statements(&self) -> MutexGuard<'_, Option<Vec<String>>> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
        let number = shared.accepted.fetch_add(1, Relaxed) + 1;
        let connection = connect(client, server.clone(), Arc::clone(&shared), number);
        let mut connections = shared.connections();
        while connections.try_join_next().is_some() {} // removes finished tasks
        connections.spawn(connection);
    }
}

async fn connect(client: TcpStream, server: String, shared: Arc<Shared>, number: u64) {
    // An error on one side also ends the other, because both streams are dropped. A proxy cannot do more.
    let _ = forward(client, &server, &shared, number).await;
}

async fn forward(client: TcpStream, server: &str, shared: &Shared, number: u64) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    // The sockets close when these halves are dropped, at the latest.
    let _resets = [Resets { socket: &from_client, shared }, Resets { socket: &from_server, shared }];
    let wire = Wire::default();
    let answered = AtomicBool::new(true);
    let asked = |bytes: &[u8]| {
        if answered.swap(false, Relaxed) {
            shared.round_trips.fetch_add(1, Relaxed);
        }
        let fate = wire.asked(bytes, shared);
        if number <= shared.forgotten.load(Relaxed) { Fate::Lost } else { fate }
    };
    let answering = |_: &[u8]| {
        answered.store(true, Relaxed);
        let fate = wire.answering();
        if number <= shared.forgotten.load(Relaxed) { Fate::Lost } else { fate }
    };
    tokio::try_join!(
        pass(&from_client, to_server, &shared.to_server, shared, asked),
        pass(&from_server, to_client, &shared.to_client, shared, answering),
    )?;
    Ok(())
}

/// A socket that is closed by a reset if `resets` is set.
struct Resets<'a> {
    socket: &'a OwnedReadHalf,
    shared: &'a Shared,
}

impl Drop for Resets<'_> {
    fn drop(&mut self) {
        if self.shared.resets.load(Relaxed) {
            // If the option cannot be set, the socket closes normally.
            let _ = self.socket.as_ref().set_zero_linger();
        }
    }
}

/// The fate of some bytes.
enum Fate {
    Passed,
    Lost,
    /// The connection ends instead.
    Cut,
}

/// Forwards one direction until it ends. Reading continues while earlier bytes wait for their time.
async fn pass(
    from: &OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: &Direction,
    shared: &Shared,
    passing: impl Fn(&[u8]) -> Fate,
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = read_some(from, &mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            direction.bytes.fetch_add(length as u64, Relaxed);
            let fate = passing(&buffer[..length]);
            let due = Instant::now() + direction.delay();
            match fate {
                Fate::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
                Fate::Passed if !direction.lost.load(Relaxed) => {
                    if sender.send((due, buffer[..length].to_vec())).is_err() {
                        return Ok(());
                    }
                }
                Fate::Passed | Fate::Lost => {}
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            let most = if shared.in_bytes.load(Relaxed) { 1 } else { bytes.len() };
            for part in bytes.chunks(most) {
                to.write_all(part).await?;
                // Lets the other side read in between.
                tokio::task::yield_now().await;
            }
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write)?;
    Ok(())
}

async fn read_some(from: &OwnedReadHalf, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}
