//! Savepoints of one unit that several futures share: `crates/connection/src/transaction.rs` and its `savepoints.rs`, and
//! the guard in `crates/tenancy/src/filter/savepoints.rs`.

mod fakes;
mod log;
#[allow(clippy::all, unused_imports, reason = "a copy")]
mod transaction {
    include!(concat!(env!("OUT_DIR"), "/transaction.rs"));
}
#[allow(clippy::all, unused_imports, reason = "a copy")]
mod savepoint {
    include!(concat!(env!("OUT_DIR"), "/savepoint.rs"));
}

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use fakes::{Access, Database, Endpoint, LeasedConnection, Server};
use log::{Log, Outcome, Part};
use savepoint::Savepoint;
use shuttle::future::{block_on, spawn, yield_now};
use transaction::Transaction;

use crate::{chance, check_with_mutants, number, polled};

/// Polls the future to its end, or gives up before.
async fn patiently<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut patience = chance(6).then(|| number(4));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = polled(future.as_mut()).await {
            return Some(done);
        }
        match &mut patience {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        yield_now().await;
    }
}

async fn write(unit: &Transaction, log: &Arc<Log>, within: &[usize]) {
    let value = log.tick();
    let outcome = match patiently(unit.write(value)).await {
        Some(Ok(())) => Outcome::Done,
        Some(Err(_)) => Outcome::Failed,
        None => Outcome::Dropped,
    };
    log.wrote(value, within, outcome);
}

/// A part of the unit: writes, perhaps with a part within.
async fn part(unit: &Transaction, log: &Arc<Log>, within: &[usize]) {
    let began = log.tick();
    let Some(Ok(savepoint)) = patiently(Savepoint::make(unit)).await else { return log.failed() };
    // Dropped after the savepoint, because it was declared before.
    let part = Part::opened(log, began);
    let savepoint = savepoint;
    let within = [within, &[part.number]].concat();
    write(unit, log, &within).await;
    if within.len() < 2 && chance(2) {
        Box::pin(self::part(unit, log, &within)).await;
        write(unit, log, &within).await;
    }
    part.ending();
    match number(3) {
        0 => {
            drop(savepoint);
            part.undone();
        }
        1 => {
            if !matches!(patiently(savepoint.undo()).await, Some(Ok(()))) {
                log.failed();
            }
            part.undone();
        }
        _ => match patiently(savepoint.keep()).await {
            Some(Ok(())) => part.kept(),
            _ => log.failed(),
        },
    }
}

async fn caller(unit: Arc<Transaction>, log: Arc<Log>) {
    write(&unit, &log, &[]).await;
    if patiently(part(&unit, &log, &[])).await.is_none() {
        log.failed();
    }
    if chance(2) {
        write(&unit, &log, &[]).await;
    }
}

fn parts() {
    block_on(async {
        let (database, log) = (Arc::new(Database::default()), Arc::new(Log::default()));
        let leased = LeasedConnection::new(&database);
        let endpoint = Arc::new(Endpoint);
        let begun =
            Transaction::begin_postgres(leased, String::new(), None, Server::Primary, Access::ReadWrite, &endpoint);
        let unit = Arc::new(begun.await.unwrap());
        let callers = [(); 2].map(|()| spawn(caller(Arc::clone(&unit), Arc::clone(&log))));
        for caller in callers {
            caller.await.unwrap();
        }
        if unit.settle().await.is_err() {
            assert!(database.refused() || log.has_failure(), "the unit failed for no reason");
            return unit_of(unit).rollback().await;
        }
        unit_of(unit).commit().await.unwrap();
        log.check(&database.committed());
    });
}

fn unit_of(unit: Arc<Transaction>) -> Transaction {
    Arc::try_unwrap(unit).ok().unwrap()
}

#[test]
fn what_is_committed_was_acknowledged_and_not_undone_in_any_order() {
    check_with_mutants(
        parts,
        &[
            "a savepoint is open when the connection is free",
            "a savepoint ends after its release was answered",
            "a savepoint that failed leaves the unit usable",
            "a cancelled statement leaves the unit usable",
            "of two savepoints the inner one is undone",
            "an ended savepoint may be undone",
            "the end of an outer savepoint leaves the inner one to be undone",
        ],
    );
}
