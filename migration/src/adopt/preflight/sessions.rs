//! The transactions that an adoption would wait for.

use std::time::Duration;

use rylie_driver::Blocker;
use serde::Deserialize;

use super::{DOING, PreflightFinding};
use crate::connection::Connection;
use crate::error::Result;

/// A transaction of this age will probably still be open when the adoption begins.
const OLD_SECONDS: i64 = 5;

/// After this pause a transaction whose age is not visible is looked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// Transactions of this database with a snapshot or a lock on a table of schema `public`. Their locks are visible to every
/// login, their ages are not.
const SQL: &str = "SELECT json_build_object('transaction', l.virtualtransaction, 'session', $columns)::text \
     FROM (SELECT DISTINCT pid, virtualtransaction FROM pg_locks l WHERE pid <> pg_backend_pid() AND (l.locktype = 'relation' \
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.relation IN (SELECT oid FROM pg_class \
     WHERE relnamespace = 'public'::regnamespace))) l CROSS JOIN LATERAL (SELECT l.pid) p LEFT JOIN pg_stat_activity a ON a.pid = p.pid \
     WHERE a.backend_type IS NULL OR a.backend_type NOT LIKE 'autovacuum%' ORDER BY l.pid";

/// Likewise, transactions without such a lock that hold a snapshot: concurrent index builds wait for them.
const SNAPSHOTS: &str = "SELECT json_build_object('transaction', p.pid::text, 'session', $columns)::text FROM pg_stat_activity a \
     CROSS JOIN LATERAL (SELECT a.pid) p WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() \
     AND a.backend_xmin IS NOT NULL AND a.backend_type = 'client backend' AND a.xact_start IS NOT NULL ORDER BY a.xact_start";

#[derive(Debug, Deserialize)]
struct Found {
    transaction: String,
    session: Blocker,
}

/// Returns one finding for each transaction that is old, or that lasts longer than a second where ages are not visible.
pub(super) async fn read(connection: &mut Connection) -> Result<Vec<PreflightFinding>> {
    let mut found = locks(connection).await?;
    if found.iter().any(|found| found.session.state.is_none()) {
        tokio::time::sleep(AGAIN).await;
        let later = locks(connection).await?;
        found.retain(|found| {
            found.session.state.is_some() || later.iter().any(|later| later.transaction == found.transaction)
        });
    }
    let snapshots: Vec<Found> = connection.documents(&SNAPSHOTS.replace("$columns", Blocker::COLUMNS), DOING).await?;
    for snapshot in snapshots {
        if found.iter().all(|found| found.session.pid != snapshot.session.pid) {
            found.push(snapshot);
        }
    }
    let old =
        |session: &Blocker| session.state.is_none() || session.since_seconds.is_some_and(|age| age >= OLD_SECONDS);
    Ok(found.iter().map(|found| &found.session).filter(|session| old(session)).map(finding).collect())
}

async fn locks(connection: &mut Connection) -> Result<Vec<Found>> {
    connection.documents(&SQL.replace("$columns", Blocker::COLUMNS), DOING).await
}

fn finding(session: &Blocker) -> PreflightFinding {
    PreflightFinding {
        id: "session".to_owned(),
        blocking: false,
        detail: format!("{session} has a transaction open, for which the adoption would wait"),
        fix: if session.pid == 0 {
            "commit it or roll it back: `COMMIT PREPARED` or `ROLLBACK PREPARED` with its name".to_owned()
        } else {
            format!("let it end, or end it: `rylie doctor terminate {}`", session.pid)
        },
    }
}
