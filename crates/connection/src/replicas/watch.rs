//! Background tasks that probe the servers while a `Replicas` value exists. One task per server, so that none delays
//! another.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::look::Probe;
use super::replica::{Replica, ReplicaState};
use super::{Inner, replica_options};
use crate::error::{Error, Result};
use crate::pool::Pool;
use crate::server::Server;

/// The longest pause before a replica that is out of service is probed again.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The longest probe, including connecting and checking the login's roles.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

/// The shortest pause between two probes, regardless of how many callers wait.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Tracks the primary's log.
pub(super) async fn primary(watched: Weak<Inner>, mut probe: Probe) {
    while let Some(inner) = still_in_use(&watched) {
        let asked = Instant::now();
        match probe.primary().await {
            Ok(found) => {
                if let Some(position) = found.position {
                    inner.log().note(asked, position, found.identity, inner.max_lag);
                }
            }
            // Without new positions the replicas become stale and leave service.
            Err(error) => tracing::debug!(%error, "could not read the primary's log position"),
        }
        let pause = inner.pause();
        drop(inner);
        tokio::time::sleep(pause).await;
    }
}

/// Tracks the replica at this index: puts it into service, updates its replay position and takes it out.
pub(super) async fn replica(watched: Weak<Inner>, place: usize, mut probe: Probe) {
    let mut failures = 0;
    while let Some(inner) = still_in_use(&watched) {
        let Some(replica) = inner.replicas.get(place) else { return };
        let looking = look_at(&inner, replica, &inner.urls[place], &mut probe);
        let looked = tokio::time::timeout(LONGEST_LOOK, looking).await;
        let looked = looked.unwrap_or_else(|_| Err(Error::unreachable(sqlx::Error::PoolTimedOut)));
        let behind = replica.status(&inner.log(), inner.max_lag, inner.primary.has_row_level_security()).behind;
        metrics::gauge!("rylie.replica.behind", "replica" => replica.number.to_string())
            .set(behind.map_or(f64::INFINITY, |behind| behind.as_secs_f64()));
        let (pause, hurry) = (inner.pause(), Arc::clone(&inner.hurry));
        match looked {
            Ok(()) => failures = 0,
            Err(error) => {
                replica.take_out(&error);
                failures += 1;
            }
        }
        drop(inner);
        if failures == 0 {
            // Sooner if a caller waits for this replica to catch up.
            tokio::time::sleep(SHORTEST_PAUSE).await;
            drop(tokio::time::timeout(pause, hurry.notified()).await);
        } else {
            tokio::time::sleep(pause.saturating_mul(2_u32.saturating_pow(failures - 1)).min(LONGEST_PAUSE)).await;
        }
    }
}

fn still_in_use(watched: &Weak<Inner>) -> Option<Arc<Inner>> {
    watched.upgrade().filter(|inner| !inner.primary.is_closed())
}

async fn look_at(inner: &Inner, replica: &Replica, url: &str, probe: &mut Probe) -> Result<()> {
    let refused = |reason| Error::Invalid { what: "a replica", reason };
    let found = probe.replica().await?;
    let replayed = found.position.ok_or(refused("the server is not in recovery: it was promoted, or never was one"))?;
    let primary = inner.log().identity().ok_or(refused("the primary has not answered yet"))?;
    if let Some(differs) = found.identity.differs(primary) {
        return Err(refused(differs));
    }
    let pool = match replica.pool() {
        Some(pool) => pool,
        None => Pool::connect_to(Server::Replica(replica.number), url, replica_options(inner.options))
            .await?
            .counting_with(&inner.primary),
    };
    if pool.has_row_level_security() != inner.primary.has_row_level_security() {
        // For example after a migration, which reaches the replica later.
        pool.look_for_roles().await?;
    }
    replica.serve(ReplicaState { pool, identity: found.identity, replayed });
    Ok(())
}
