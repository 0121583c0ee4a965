//! The connection cache: `crates/connection/src/cache.rs`.

mod fakes;
#[allow(clippy::all, unused_imports, reason = "a copy")]
mod mounted {
    include!(concat!(env!("OUT_DIR"), "/cache.rs"));
}

use std::sync::Arc;

use fakes::Bounds;
use mounted::ConnectionCache;
use shuttle::future::{block_on, yield_now};

use crate::sqlx::{Error, Pool, Postgres, Server};
use crate::time::Duration;
use crate::tokio::task;
use crate::{chance, check_with_mutants, number, polled};

const CONNECTIONS: usize = 2;

fn cache() -> (Arc<Server>, ConnectionCache<Postgres>) {
    crate::time::reset();
    task::reset();
    let server = Server::new(CONNECTIONS);
    let cache = ConnectionCache::new(Pool::new(&server), Bounds);
    (server, cache)
}

/// Leases a connection twice, and ends each lease in one of the ways that units have.
async fn caller(cache: ConnectionCache<Postgres>) {
    for _ in 0..2 {
        let Ok(mut leased) = cache.lease().await else { continue };
        let session = leased.conn().unwrap();
        session.begin_use();
        if chance(8) {
            crate::time::advance(Duration::from_secs(31));
        }
        if chance(2) {
            session.statement().await;
        } else {
            // The caller gives up; the statement may go on.
            let mut statement = Box::pin(session.statement());
            let mut ended = false;
            for _ in 0..number(3) {
                ended = ended || polled(statement.as_mut()).await.is_ready();
                yield_now().await;
            }
            drop(statement);
            if !ended {
                session.end_use();
                drop(leased);
                continue;
            }
        }
        session.end_use();
        match number(8) {
            0 => leased.end(),
            1 => leased.cut(),
            2 => leased.end_after(&Error::Silent),
            3 => leased.end_after(&Error::Refused),
            4 => leased.end_with_others(),
            _ => leased.give_back(),
        }
    }
}

async fn callers(cache: &ConnectionCache<Postgres>) {
    let callers: Vec<_> = (0..3).map(|_| shuttle::future::spawn(caller(cache.clone()))).collect();
    for caller in callers {
        caller.await.unwrap();
    }
}

fn leases() {
    block_on(async {
        let (server, cache) = cache();
        callers(&cache).await;
        task::all_ended().await;
        assert_eq!(cache.in_use(), 0, "a permit is lost");
        assert_eq!(server.idle(), server.sessions(), "a connection is neither used nor in the driver's pool");
        cache.close().await;
        assert_eq!(server.sessions(), 0);
    });
}

fn closing() {
    block_on(async {
        let (server, cache) = cache();
        let closing = {
            let (server, cache) = (Arc::clone(&server), cache.clone());
            shuttle::future::spawn(async move {
                for _ in 0..number(20) {
                    yield_now().await;
                }
                cache.close().await;
                assert_eq!(server.sessions(), 0, "the close did not wait for a connection");
            })
        };
        callers(&cache).await;
        closing.await.unwrap();
        task::all_ended().await;
        assert_eq!(server.sessions(), 0, "a connection outlived the pool");
        assert!(cache.lease().await.is_err());
    });
}

#[test]
fn a_connection_has_one_caller_and_comes_back_in_every_order() {
    check_with_mutants(
        leases,
        &[
            "a dropped connection is cached without a wait for its running work",
            "a caller may connect before the closed connection is gone",
            "a caller may connect before the returned connection is cached",
            "the watch ends although a connection was cached",
        ],
    );
}

#[test]
fn a_closed_pool_keeps_no_connection_in_any_order() {
    check_with_mutants(closing, &["a close waits for nobody"]);
}
