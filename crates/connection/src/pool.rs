//! The connection pool, and how transactions begin.
//!
//! This file is long because every way to begin a transaction uses the private state of the pool.

mod acquire;
pub(crate) mod batch;
mod marker;
mod postgres;
mod sqlite;
mod sqlite_file;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::DbBackend;
use sea_orm::prelude::ChronoDateTimeUtc;
use sqlx::{Postgres, Sqlite};

use crate::bounds::Bounds;
use crate::cache::ConnectionCache;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::holders::{Holder, Holders};
use crate::measures::describe;
use crate::pool_options::PoolOptions;
use crate::server::Server;
use crate::unit_costs::{StatementLoop, TenantUnits, UnitCosts};

pub use acquire::{SingleStatement, WritingFunction};
pub use marker::StoredMarker;
pub(crate) use postgres::connect_alone;

/// A pool of connections to one database, of either engine. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    inner: Inner,
    server: Server,
    endpoint: Arc<Endpoint>,
    options: PoolOptions,
    /// Whether units assume their database role, so that row-level security applies to them.
    row_level_security: Arc<AtomicBool>,
    /// Whether units assume their database role and the login may not assume the platform role.
    platform_closed: Arc<AtomicBool>,
    functions: Arc<Functions>,
    /// Whether the old service uses the same database.
    shared: Arc<AtomicBool>,
    holders: Holders,
    /// Shared by the pools of a database's replicas.
    pub(crate) costs: UnitCosts,
}

/// Whether the database's functions that save work exist.
#[derive(Default)]
struct Functions {
    /// Read a tenant's rows by id.
    read: AtomicBool,
    /// Looks up a session's token.
    sign_in: AtomicBool,
    /// Adds a request.
    add: AtomicBool,
    /// Checks a session.
    hold: AtomicBool,
    /// Save a connection to Google.
    save: AtomicBool,
    /// Changes the status of a request.
    set_status: AtomicBool,
    /// Whether the numbers of requests are kept. On SQLite by a trigger instead of a function.
    count: AtomicBool,
}

#[derive(Clone)]
enum Inner {
    Postgres(ConnectionCache<Postgres>),
    Sqlite(ConnectionCache<Sqlite>),
}

/// Runs the same code on the connection cache of either engine.
macro_rules! on_lender {
    ($pool:expr, |$cache:ident| $call:expr) => {
        match &$pool.inner {
            Inner::Postgres($cache) => $call,
            Inner::Sqlite($cache) => $call,
        }
    };
}
pub(super) use on_lender;

/// Runs a query on a connection that belongs to no unit, within the time limit of a statement.
macro_rules! asked {
    ($pool:expr, $cache:expr, |$conn:ident| $asking:expr) => {{
        let mut leased = $pool.lease($cache).await?;
        let within = leased.bounds().statement(None);
        let $conn = leased.conn()?;
        match $crate::bounds::answered(within, $asking).await {
            Ok(Ok(answer)) => {
                leased.give_back();
                Ok(answer)
            }
            Ok(Err(error)) => Err($crate::error::Error::from(error)),
            Err(silence) => {
                leased.end_after(&silence);
                Err($crate::error::Error::unreachable(silence))
            }
        }
    }};
}
pub(super) use asked;

/// The database role that a unit's transaction assumes, with its tenant.
pub enum DbRole<'a> {
    /// The rows of this tenant.
    Tenant(&'a str),
    /// The same, after a check that a session still belongs to the user.
    Session(HeldSession<'a>),
    /// Identities, before the tenant is known.
    Identity,
    /// All tenants' rows.
    Platform,
    /// The audit log, for verification.
    Audit(Auditing),
}

/// A session and the user to whom it belonged before.
#[derive(Clone, Copy)]
pub struct HeldSession<'a> {
    /// The session's id.
    pub session: &'a str,
    /// The SHA-256 of the session's token, in hexadecimal digits.
    pub digest: &'a str,
    /// The user's id.
    pub user: &'a str,
    /// The label of the user's role.
    pub role: &'a str,
    /// The user's agency, if any.
    pub agency: Option<&'a str>,
    /// The user's tenant.
    pub tenant: &'a str,
    /// The time at which the session must not have expired.
    pub at: ChronoDateTimeUtc,
}

impl DbRole<'_> {
    /// Returns the tenant of the rows.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match self {
            Self::Tenant(tenant) => Some(tenant),
            Self::Session(session) => Some(session.tenant),
            Self::Identity | Self::Platform | Self::Audit(_) => None,
        }
    }
}

/// How the audit log is read for verification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Auditing {
    pub(crate) role: AuditingRole,
    /// Whether the database has all tables of the log, of a kind that can be locked, and the role may read them.
    pub(crate) is_lockable: bool,
}

/// The role under which the audit log is read for verification.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AuditingRole {
    /// The platform role.
    Platform,
    /// The auditor role.
    Auditor,
    /// The login itself, in particular one that is exempt from policies. If a policy hides rows from it, the read fails
    /// instead of returning too few rows.
    Login,
}

impl Pool {
    /// Connects to `url` (`postgres://…` or `sqlite://…`).
    ///
    /// Fails at once with [`Error::ConnectionLost`] if the database does not answer, and with [`Error::Database`] if it
    /// refuses the login. Fails with [`Error::Invalid`] for a malformed URL. Fails with [`Error::ForeignFile`] for
    /// another application's SQLite file, and leaves it unchanged.
    pub async fn connect(url: &str, options: PoolOptions) -> Result<Self> {
        Self::connect_to(Server::Primary, url, options).await
    }

    pub(crate) async fn connect_to(server: Server, url: &str, options: PoolOptions) -> Result<Self> {
        describe();
        let (inner, endpoint) = if url.starts_with("sqlite:") {
            let pool = sqlite::connect(url, &options).await?;
            let endpoint = Endpoint::sqlite(&pool.connect_options());
            (Inner::Sqlite(ConnectionCache::new(pool, Bounds::SQLITE)), endpoint)
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let pool = postgres::connect(url, &options).await?;
            let endpoint = Endpoint::postgres(&pool.connect_options());
            (Inner::Postgres(ConnectionCache::new(pool, Bounds::postgres(&options))), endpoint)
        } else {
            return Err(Error::Invalid {
                what: "the database URL",
                reason: "it must begin with sqlite: or postgres://",
            });
        };
        let endpoint = Arc::new(endpoint);
        let (row_level_security, platform_closed) = (Arc::default(), Arc::default());
        let (functions, shared) = (Arc::default(), Arc::default());
        let holders = Holders::default();
        let pool = Self {
            inner,
            server,
            endpoint,
            options,
            row_level_security,
            platform_closed,
            functions,
            shared,
            holders,
            costs: UnitCosts::default(),
        };
        pool.look_for_roles().await?;
        Ok(pool)
    }

    /// Returns whether `url` names a SQLite file that does not exist.
    #[must_use]
    pub fn is_file_missing(url: &str) -> bool {
        let file = url.starts_with("sqlite:") && !sqlite::is_in_memory(url);
        file && sqlite::options(url).is_ok_and(|options| !options.get_filename().exists())
    }

    /// Returns the database of `url` in words: host, port, database and login, or the SQLite file. Never the password.
    /// Fails with [`Error::Invalid`] for a malformed URL.
    pub fn target(url: &str) -> Result<String> {
        if sqlite::is_in_memory(url) {
            return Ok("SQLite database in memory".to_owned());
        }
        if url.starts_with("sqlite:") {
            return Ok(format!("SQLite file {}", sqlite::options(url)?.get_filename().display()));
        }
        postgres::target(url)
    }

    /// Fails with [`Error::ForeignFile`] if `url` names a SQLite file with tables, none of them ours. Neither creates
    /// nor changes the file, and leaves no file next to it.
    pub async fn refuse_foreign_file(url: &str) -> Result<()> {
        if !url.starts_with("sqlite:") || sqlite::is_in_memory(url) {
            return Ok(());
        }
        sqlite_file::refuse_foreign(&sqlite::options(url)?).await
    }

    /// Checks again, as after a migration, whether units can assume their database role and whether the old service
    /// shares the database.
    pub async fn look_for_roles(&self) -> Result<()> {
        match &self.inner {
            Inner::Postgres(cache) => {
                let takes = asked!(self, cache, |conn| postgres::may_take_roles(conn))?;
                let exist = asked!(self, cache, |conn| postgres::has_functions(conn))?;
                let shared = asked!(self, cache, |conn| postgres::is_shared_with_old_service(conn))?;
                self.row_level_security.store(takes.units, Ordering::Relaxed);
                self.platform_closed.store(takes.units && !takes.platform, Ordering::Relaxed);
                let Functions { read, sign_in, add, hold, save, set_status, count } = &*self.functions;
                let flags = [read, sign_in, add, hold, save, set_status, count];
                for (flag, exists) in flags.into_iter().zip(exist) {
                    flag.store(exists, Ordering::Relaxed);
                }
                self.shared.store(shared, Ordering::Relaxed);
            }
            Inner::Sqlite(cache) => {
                let counts = asked!(self, cache, |conn| sqlite::keeps_request_counts(conn))?;
                self.functions.count.store(counts, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Returns the database engine.
    #[must_use]
    pub fn engine(&self) -> DbBackend {
        match self.inner {
            Inner::Postgres(_) => DbBackend::Postgres,
            Inner::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// Returns whether row-level security applies to the units, in addition to the tenant filter. Always false on
    /// SQLite, which has none.
    #[must_use]
    pub fn has_row_level_security(&self) -> bool {
        self.row_level_security.load(Ordering::Relaxed)
    }

    /// Returns whether this login serves tenant and identity units only, so that no platform unit opens on this pool.
    #[must_use]
    pub fn is_platform_closed(&self) -> bool {
        self.platform_closed.load(Ordering::Relaxed)
    }

    /// Returns whether the old service shares the database: it was adopted, and the adoption is not finished. Always
    /// false on SQLite. The state is from the last connect or [`look_for_roles`](Self::look_for_roles).
    #[must_use]
    pub fn is_shared_with_old_service(&self) -> bool {
        self.shared.load(Ordering::Relaxed)
    }

    /// Returns how many connections are open, and how many of them are idle.
    #[must_use]
    pub fn usage(&self) -> (u32, usize) {
        on_lender!(self, |cache| (cache.pool().size(), cache.idle()))
    }

    /// Checks that the database answers: one round trip. Fails with [`Error::ConnectionLost`] if it does not, and with
    /// [`Error::PoolExhausted`] without a free connection in time.
    pub async fn ping(&self) -> Result<()> {
        on_lender!(self, |cache| asked!(self, cache, |conn| sqlx::raw_sql("SELECT 1").execute(conn)).map(drop))
    }

    /// Returns the names of the recorded migrations; none if nothing was migrated. Two round trips.
    pub async fn applied_migrations(&self) -> Result<Vec<String>> {
        match &self.inner {
            Inner::Postgres(cache) => asked!(self, cache, |conn| postgres::applied_migrations(conn)),
            Inner::Sqlite(cache) => asked!(self, cache, |conn| sqlite::applied_migrations(conn)),
        }
    }

    /// Closes every connection and waits for those in use.
    pub async fn close(&self) {
        on_lender!(self, |cache| cache.close().await);
    }

    /// Returns whether [`close`](Self::close) was called.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        on_lender!(self, |cache| cache.pool().is_closed())
    }

    /// Returns the units that hold a connection, the longest first.
    #[must_use]
    pub fn holders(&self) -> Vec<Holder> {
        self.holders.longest()
    }

    /// Returns the number of callers that wait for a connection.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.holders.waiting()
    }

    /// Returns the cost of each tenant's units in this process since the pool was opened, the one with the most time
    /// first. Units on replicas are included. At most 1,000 tenants are counted at a time.
    #[must_use]
    pub fn tenant_units(&self) -> Vec<TenantUnits> {
        self.costs.tenants()
    }

    /// Returns the statements that units of this process repeated ten times or more, with one row at most each time:
    /// probably a loop over keys. The one with the most repetitions comes first.
    #[must_use]
    pub fn statement_loops(&self) -> Vec<StatementLoop> {
        self.costs.loops()
    }

    /// Returns whether a unit can begin with a check of its session.
    pub(crate) fn holds_sessions(&self) -> bool {
        self.has_row_level_security() && self.functions.hold.load(Ordering::Relaxed)
    }

    /// Counts units with those of another pool.
    pub(crate) fn counting_with(self, other: &Self) -> Self {
        Self { costs: other.costs.clone(), ..self }
    }

    /// Returns how this login reads the audit log for verification.
    pub(crate) async fn auditing(&self) -> Result<Auditing> {
        match &self.inner {
            Inner::Postgres(cache) => {
                let takes_platform = self.has_row_level_security() && !self.is_platform_closed();
                asked!(self, cache, |conn| postgres::auditing(conn, takes_platform))
            }
            Inner::Sqlite(_) => Ok(Auditing { role: AuditingRole::Login, is_lockable: true }),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, idle) = self.usage();
        write!(f, "Pool({:?}, {open} open, {idle} idle)", self.engine())
    }
}
