//! Serving strangers: limits that hold before a caller is signed in.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tower::Service;

/// The pause after an accept that failed, as with too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// The limits of [`serve`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServeLimits {
    /// The most connections at once; 1,000. Further ones wait in the system's queue. A connection holds one body at
    /// most, so the bodies in memory have this number times the limit of [`Web`](crate::Web) at most. The process needs
    /// as many file descriptors, and some for the database.
    pub connections: usize,
    /// How long the head of a call may take to arrive, and how long a connection may be idle; 10 seconds.
    pub head: Duration,
    /// How long a client may refuse to take an answer; 30 seconds.
    pub write: Duration,
    /// How long open calls may take after the service was asked to end; 20 seconds. Then they are dropped, and their
    /// units are rolled back.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connections: 1_000, head: seconds(10), write: seconds(30), drain: seconds(20) }
    }
}

/// Serves a router by HTTP/1.1 until `stop` is ready, then ends gracefully. Handlers know the address of their peer.
///
/// After `stop` no connection is accepted, idle ones are closed, and open calls have the time of
/// [`ServeLimits::drain`]. It has returned when no call is open, so the jobs and the pool can be closed next.
///
/// `axum::serve` has none of these limits: clients that send nothing keep it busy, and one of them keeps it from
/// ending. Use it behind a proxy that has them. Neither stops a flood of calls.
///
/// Returns no error at present: an accept that fails is logged and tried again.
///
/// ```no_run
/// # async fn example(router: axum::Router) -> std::io::Result<()> {
/// use rylie_axum::{ServeLimits, serve};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
/// let stop = async { drop(tokio::signal::ctrl_c().await) };
/// serve(listener, router, ServeLimits::default(), stop).await
/// # }
/// ```
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let free = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
    let (ending, ended) = watch::channel(());
    let mut open = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &free) => accepted,
            // Ended tasks leave the set.
            Some(_) = open.join_next() => continue,
        };
        open.spawn(connection(stream, peer, router.clone(), limits, ended.clone(), permit));
    }
    drop(listener);
    drop(ending);
    let drained = tokio::time::timeout(limits.drain, async { while open.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!(connections = open.len(), "calls that did not end in time are dropped");
        open.shutdown().await;
    }
    Ok(())
}

async fn accept(listener: &TcpListener, free: &Arc<Semaphore>) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        if free.available_permits() == 0 {
            tracing::warn!("all connections are in use; further clients wait");
        }
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(free).acquire_owned().await else { std::future::pending().await };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
    mut ended: watch::Receiver<()>,
    _permit: OwnedSemaphorePermit,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let mut http = http1::Builder::new();
    // A client may end its side after its call, and still read.
    http.timer(TokioTimer::new()).header_read_timeout(limits.head).half_close(true);
    // Without it, small answers wait for the client's acknowledgement. A failure only makes them slower.
    let _ = stream.set_nodelay(true);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(Patient::new(stream, limits.write)), answer));
    let done = tokio::select! {
        done = serving.as_mut() => done,
        _ = ended.changed() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended");
    }
}

/// A connection that ends if its client takes no byte of an answer for too long.
struct Patient {
    stream: TcpStream,
    limit: Duration,
    /// The end of the wait, while there is one.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: TcpStream, limit: Duration) -> Self {
        Self { stream, limit, waiting: None }
    }

    fn within<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        waiting.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.within(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(context);
        self.within(context, ended)
    }
}
