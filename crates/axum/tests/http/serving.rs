//! The server's limits, over real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use rylie_axum::{ServeLimits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const LIMITS: ServeLimits = ServeLimits {
    connections: 4,
    head: Duration::from_millis(300),
    write: Duration::from_millis(300),
    drain: Duration::from_secs(2),
};

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(600)).await;
    "slow"
}

async fn long() -> String {
    "x".repeat(64 << 20)
}

async fn never() -> &'static str {
    std::future::pending().await
}

async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    peer.to_string()
}

/// A running server, what ends it, and its end.
async fn running() -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/peer", get(peer)).route("/slow", get(slow)).route("/never", get(never));
    let router = router.route("/long", get(long));
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(async move {
        serve(listener, router, LIMITS, async { drop(stopped.await) }).await.unwrap();
    });
    (address, stop, ended)
}

async fn sent(to: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// What a connection answers until it ends.
async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await.unwrap().unwrap_or_default();
    text
}

fn head(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_handler_knows_its_peer() {
    let (address, _stop, _ended) = running().await;
    let stream = sent(address, &head("/peer")).await;
    let own = stream.local_addr().unwrap().to_string();

    assert!(answer(stream).await.ends_with(&own));
}

/// More clients than connections that send nothing, a half head, or stay idle after a call.
#[tokio::test]
async fn clients_that_send_nothing_do_not_keep_others_out() {
    let (address, _stop, _ended) = running().await;
    let mut idle = Vec::new();
    for text in
        ["", "GET /peer HT", "GET /peer HTTP/1.1\r\nhost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", ""]
    {
        idle.push(sent(address, text).await);
    }

    assert!(answer(sent(address, &head("/peer")).await).await.starts_with("HTTP/1.1 200"));
    for stream in idle {
        answer(stream).await;
    }
}

/// More clients than connections that ask for a long answer and do not read it.
#[tokio::test]
async fn clients_that_read_nothing_do_not_keep_others_out() {
    let (address, _stop, _ended) = running().await;
    let mut idle = Vec::new();
    for _ in 0..6 {
        idle.push(sent(address, &head("/long")).await);
    }

    assert!(answer(sent(address, &head("/peer")).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_half_call_does_not_keep_the_server_from_ending() {
    let (address, stop, ended) = running().await;
    let half = sent(address, "POST /slow HTTP/1.1\r\nhost: x\r\ncontent-le").await;
    let open = sent(address, &head("/slow")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    stop.send(()).unwrap();

    assert!(answer(open).await.ends_with("slow"), "an open call is answered");
    tokio::time::timeout(LIMITS.drain, ended).await.unwrap().unwrap();
    drop(half);
}

#[tokio::test]
async fn a_call_that_does_not_end_is_dropped_when_the_time_is_up() {
    let (address, stop, ended) = running().await;
    let open = sent(address, &head("/never")).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let began = Instant::now();

    stop.send(()).unwrap();
    ended.await.unwrap();

    assert!(began.elapsed() >= LIMITS.drain);
    assert_eq!(answer(open).await, "");
}
