//! A slow or broken network, in the test's own process.
//!
//! Longer than usual: the proxy's switches and the threads that obey them share one state.

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

/// A TCP proxy in front of a server that delays what passes through it, loses it, or cuts its connections. It works for as
/// long as the value lives and the runtime that started it runs.
///
/// The delay is one of latency: what is sent at once arrives at once, later.
#[derive(Debug)]
pub struct DelayProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

/// Which of what passes a proxy is lost without a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lost {
    /// What clients send.
    ToServer,
    /// What the server answers.
    ToClient,
    /// Both.
    Everything,
}

/// What a proxy does when a client sends `COMMIT`, which it knows on the wire without TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnCommit {
    /// It is let through.
    #[default]
    Pass,
    /// The connection is cut, and the server never has it.
    CutBefore,
    /// The server never has it, and the connection stays and says nothing.
    SwallowBefore,
    /// The server does it, and the connection is cut instead of its answer.
    CutAnswer,
    /// The server does it, and its answer is lost; the connection stays and says nothing.
    SwallowAnswer,
}

#[derive(Debug, Default)]
struct Shared {
    to_server: Direction,
    to_client: Direction,
    accepted: AtomicU64,
    /// Connections up to this one carry nothing.
    forgotten: AtomicU64,
    round_trips: AtomicU64,
    in_bytes: AtomicBool,
    /// Whether connections that end are reset.
    resets: AtomicBool,
    on_commit: Mutex<OnCommit>,
    commits: AtomicU64,
    connections: Mutex<JoinSet<()>>,
}

#[derive(Debug, Default)]
struct Direction {
    delay_ms: AtomicU64,
    bytes: AtomicU64,
    lost: AtomicBool,
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

    /// From now on this is read and thrown away, on connections that are open and on new ones. They stay open: nobody is told.
    pub fn lose(&self, lost: Lost) {
        self.shared.to_server.lost.store(lost != Lost::ToClient, Relaxed);
        self.shared.to_client.lost.store(lost != Lost::ToServer, Relaxed);
    }

    /// From now on all is passed on again. What was lost stays lost, so a connection that waits for it goes on waiting.
    pub fn lose_nothing(&self) {
        self.shared.to_server.lost.store(false, Relaxed);
        self.shared.to_client.lost.store(false, Relaxed);
    }

    /// Everything on the connections that are open is lost from now on, as behind a gateway that forgot them. New ones are let
    /// through.
    pub fn forget(&self) {
        self.shared.forgotten.store(self.shared.accepted.load(Relaxed), Relaxed);
    }

    /// Takes no connections any more, and cuts those that are open: whoever connects is refused.
    pub async fn close(&self) {
        self.accepting.abort();
        while !self.accepting.is_finished() {
            tokio::task::yield_now().await;
        }
        self.sever().await;
    }

    /// From now on each byte travels by itself.
    pub fn in_bytes(&self, in_bytes: bool) {
        self.shared.in_bytes.store(in_bytes, Relaxed);
    }

    /// From now on this happens to each `COMMIT`.
    pub fn on_commit(&self, fault: OnCommit) {
        *self.shared.on_commit.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How many times so far a client has sent `COMMIT`, whatever became of it.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Relaxed)
    }

    /// Resets all connections: either side finds an error and not an end. New ones are let through.
    pub async fn reset(&self) {
        self.shared.resets.store(true, Relaxed);
        self.sever().await;
        self.shared.resets.store(false, Relaxed);
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
        let number = shared.accepted.fetch_add(1, Relaxed) + 1;
        let connection = connect(client, server.clone(), Arc::clone(&shared), number);
        let mut connections = shared.connections();
        while connections.try_join_next().is_some() {} // forgets those that have ended
        connections.spawn(connection);
    }
}

async fn connect(client: TcpStream, server: String, shared: Arc<Shared>, number: u64) {
    // An error of one side ends the other side too, as both streams are dropped: that is all a proxy can say.
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

/// A socket that may be told to end by a reset.
struct Resets<'a> {
    socket: &'a OwnedReadHalf,
    shared: &'a Shared,
}

impl Drop for Resets<'_> {
    fn drop(&mut self) {
        if self.shared.resets.load(Relaxed) {
            // Where it cannot be told, it is closed as ever.
            let _ = self.socket.as_ref().set_zero_linger();
        }
    }
}

/// What becomes of some bytes.
enum Fate {
    Passed,
    Lost,
    /// The connection ends instead.
    Cut,
}

/// Passes one direction on until it ends. Reading goes on while what was read waits for its time.
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
                // So that the other side reads meanwhile.
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
