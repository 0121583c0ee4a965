//! Faults of the network, of a pooler and of the server, for every kind of unit. PostgreSQL only.
//!
//! The time limits are short: a test that waits for one takes some seconds. Tests assert that a call ends, and how.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests; clippy knows only functions marked as such")]

mod adding_at_once;
mod audit_crash;
mod bytes;
mod cancellation;
mod cancelled;
mod codes;
mod connections;
mod crash;
mod deferred;
mod long_work;
mod lost_commit;
mod platform;
mod saving_at_once;
mod setting_status_at_once;
mod silence;
mod single_pages;
mod sqlite_locks;
mod unreachable;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_db::Database;
use rylie_db::entities::{Env, UserId};
use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Cluster, DelayProxy, World};

use crate::support::sql::Sql;

/// Longer than any limit in the tests, with reserve for a busy machine, and far shorter than a hang.
const PATIENCE: Duration = Duration::from_secs(40);

const PLACES: u32 = 3;

/// A network between a store and PostgreSQL, or a pooler, in which a test causes faults.
struct Scene {
    proxy: DelayProxy,
    database: Database,
    store: Arc<dyn Store>,
    scope: TenantScope,
    user: UserId,
    now: DateTime<Utc>,
    url: String,
}

/// The server that a store reaches through the proxy.
#[derive(Clone, Copy, Debug)]
enum To {
    Server,
    Pooler,
}

impl Scene {
    async fn of(world: &World, to: To) -> Self {
        let cluster = Cluster::shared().await.unwrap();
        let address = match to {
            To::Server => cluster.address(),
            To::Pooler => cluster.pooler_address().await.unwrap().to_owned(),
        };
        let proxy = DelayProxy::start(address).await.unwrap();
        let url = world.url_through(&proxy).unwrap();
        Self::over(world, proxy, &url, matches!(to, To::Pooler)).await
    }

    async fn over(world: &World, proxy: DelayProxy, url: &str, pooled: bool) -> Self {
        let agency = world.agency().await.unwrap();
        let settings = [
            ("database_url", url),
            ("behind_pooler", if pooled { "true" } else { "false" }),
            ("max_connections", &PLACES.to_string()),
            ("acquire_timeout_seconds", "3"),
            ("statement_timeout_seconds", "2"),
            ("network_timeout_seconds", "0.8"),
        ];
        let database = world.connect_with_settings(&settings).await.unwrap();
        let store = database.store();
        let (scope, user) = (agency.scope(), agency.admin.user.id.clone());
        let now = world.env().now();
        Self { proxy, database, store, scope, user, now, url: world.url().to_owned() }
    }

    /// Counts the rows of the kind's table.
    async fn count(&self, kind: Kind) -> i64 {
        let sql = format!("SELECT count(*)::text FROM {}", kind.table());
        Sql::connect(&self.url).await.one(&sql).await.parse().unwrap()
    }

    /// Checks that the pool is intact: all its places can be used at once, and a write commits.
    async fn is_whole(&self) {
        let heals = async {
            loop {
                let all = (0..PLACES).map(|_| self.store.tenant(&self.scope).into_future());
                let opened = futures_util::future::join_all(all).await;
                if opened.iter().all(Result::is_ok) {
                    break;
                }
                drop(opened);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Kind::Tenant.write(self, async |_| {}).await.unwrap();
        };
        assert!(tokio::time::timeout(PATIENCE, heals).await.is_ok(), "the pool does not heal");
    }
}

/// The kinds of units that write.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Tenant,
    Identity,
    Platform,
    Operations,
}

const KINDS: [Kind; 4] = [Kind::Tenant, Kind::Identity, Kind::Platform, Kind::Operations];

/// The next step of a unit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    Opening,
    Statement,
    Savepoint,
    Commit,
}

impl Kind {
    fn table(self) -> &'static str {
        match self {
            Self::Tenant => "\"Request\"",
            Self::Identity => "\"Session\"",
            Self::Platform => "\"Agency\"",
            Self::Operations => "rylie_job_runs",
        }
    }

    /// Runs a unit that inserts one row; calls `breaks` before each step.
    async fn write(self, scene: &Scene, breaks: impl AsyncFn(Before)) -> Result<(), Error> {
        macro_rules! unit {
            ($open:expr, |$unit:ident| $insert:expr) => {{
                breaks(Before::Opening).await;
                let $unit = $open.await?;
                breaks(Before::Statement).await;
                $insert.await?;
                breaks(Before::Savepoint).await;
                $unit.savepoint().await?.keep().await?;
                breaks(Before::Commit).await;
                $unit.commit().await
            }};
        }
        let store = &*scene.store;
        match self {
            Self::Tenant => unit!(store.tenant(&scene.scope), |unit| unit.requests().add(request("t"))),
            Self::Identity => {
                let expires = scene.now + TimeDelta::hours(1);
                unit!(store.identity(), |unit| unit.sessions().begin(&scene.user, expires))
            }
            Self::Platform => unit!(store.platform(Grant::job("test", "to test").unwrap()), |unit| {
                let name = unused_name();
                unit.agency_administration().add(NewAgency { name, domain: None })
            }),
            Self::Operations => {
                let job = unused_name();
                unit!(store.operations(), |unit| async { unit.job_runs().register(&job, scene.now).await })
            }
        }
    }

    /// The same with a time limit, which a hang would exceed.
    async fn write_in_time(self, scene: &Scene, breaks: impl AsyncFn(Before)) -> Result<(), Error> {
        let written = tokio::time::timeout(PATIENCE, self.write(scene, breaks)).await;
        written.unwrap_or_else(|_| panic!("a unit of the kind {self:?} hangs"))
    }
}

fn unused_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("made by a fault's test {}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn request(title: &str) -> NewRequest {
    NewRequest::new(title, RequestKind::Page)
}

fn is_lost_before_commit(error: &Error) -> bool {
    matches!(error, Error::ConnectionLost(_)) && error.is_retryable()
}

fn is_unknown(error: &Error) -> bool {
    matches!(error, Error::OutcomeUnknown(_)) && !error.is_retryable()
}
