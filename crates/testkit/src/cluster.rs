//! A PostgreSQL server for tests, and its databases.

mod copy;
mod database;
mod pooler;
mod process;
mod programs;
mod random;
mod reaper;
mod replica;
mod server;
mod server_url;

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::{Mutex, OnceCell};

pub use self::database::PostgresDatabase;
pub use self::pooler::Pooler;
use self::random::random_hex;
use self::reaper::DatabaseReaper;
pub use self::replica::Replica;
use self::server::Server;
use self::server_url::ServerUrl;
use crate::{Error, Result};

/// Names a server to use instead of a private one.
const SERVER_URL: &str = "RYLIE_TEST_DATABASE_URL";

/// A PostgreSQL server for tests.
///
/// By default this is a private server in a temporary folder. It runs the newest installed programs, or those in the
/// folder that `RYLIE_TEST_POSTGRES` names. It stops when the last value that needs it is dropped or the process ends,
/// even by a kill.
///
/// `RYLIE_TEST_DATABASE_URL` names an existing server instead. Its user must be allowed to create databases (and, for
/// most tests, roles). There, templates and the databases of a crashed run remain; their names begin with
/// `rylie_test_`.
///
/// A cluster can be used from any number of runtimes, so also from tests that have one each.
#[derive(Clone, Debug)]
pub struct Cluster(Arc<Inner>);

/// A database that others are copied from; see [`Cluster::template`].
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
}

#[derive(Debug)]
struct Inner {
    url: ServerUrl,
    reaper: DatabaseReaper,
    programs: Option<PathBuf>,
    // PostgreSQL copies a database only while it has no connections. Copying is bound by disk and processor, so one
    // copy at a time is no slower, and it cannot fail.
    creating: Mutex<()>,
    templates: std::sync::Mutex<HashMap<String, Arc<OnceCell<Template>>>>,
    pooler: OnceCell<Pooler>,
    // `None` for an existing server.
    server: Option<Mutex<Server>>,
}

impl Cluster {
    /// Returns the server of this process. The first call starts it.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::given_or_private).await
    }

    /// Starts a second, private server, for a test that changes server-wide state.
    pub async fn private() -> Result<Self> {
        let programs = programs::chosen()?;
        let server = Server::start(&programs).await?;
        Self::over(server.url().clone(), Some(programs), Some(server))
    }

    /// As [`private`](Self::private), and each commit waits for the disk, so that it outlives a [`crash`](Self::crash).
    pub async fn private_durable() -> Result<Self> {
        let cluster = Self::private().await?;
        let doing = "making commits durable";
        let database = cluster.empty_database().await?;
        let mut session = PgConnection::connect(&database.url()).await.map_err(Error::sql(doing))?;
        session.execute("ALTER ROLE ALL SET synchronous_commit = on").await.map_err(Error::sql(doing))?;
        session.close().await.map_err(Error::sql(doing))?;
        Ok(cluster)
    }

    /// Creates an empty database.
    pub async fn empty_database(&self) -> Result<PostgresDatabase> {
        PostgresDatabase::create(&self.0, None).await
    }

    /// Returns the template of this name. The first caller's function fills it. All other callers wait for that; their
    /// functions are not called.
    pub async fn template<F, W, E>(&self, key: &str, fill: F) -> Result<Template>
    where
        F: FnOnce(String) -> W,
        W: Future<Output = Result<(), E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let cell = {
            let mut templates = self.0.templates.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(templates.entry(key.to_owned()).or_default())
        };
        let template = cell.get_or_try_init(|| self.make_template(key, fill)).await?;
        Ok(template.clone())
    }

    /// Creates a database with the template's tables and rows.
    pub async fn clone_of(&self, template: &Template) -> Result<PostgresDatabase> {
        PostgresDatabase::create(&self.0, Some(template)).await
    }

    /// Returns the server's host and port, for a [`DelayProxy`](crate::DelayProxy).
    #[must_use]
    pub fn address(&self) -> String {
        self.0.url.address()
    }

    /// Returns host and port of a PgBouncer in transaction mode in front of the server. The first call starts it; it
    /// stops with the cluster. It holds four server connections for each database.
    ///
    /// Fails with [`Error::PoolerMissing`] if PgBouncer is not installed.
    pub async fn pooler_address(&self) -> Result<&str> {
        Ok(self.0.pooler.get_or_try_init(|| Pooler::start(&self.0.url)).await?.address())
    }

    /// Starts another PgBouncer in transaction mode in front of this address, such as a proxy to the server.
    ///
    /// Fails with [`Error::PoolerMissing`] if PgBouncer is not installed.
    pub async fn pooler_before(&self, address: &str) -> Result<Pooler> {
        Pooler::start(&self.0.url.through(address)).await
    }

    /// Kills a private server at any point of its work; [`start_again`](Self::start_again) restarts it. Acknowledged
    /// commits may be lost, unless the server is [durable](Self::private_durable).
    ///
    /// Fails with [`Error::ServerUrl`] if the server is not private.
    pub async fn crash(&self) -> Result<()> {
        let server = self.0.server.as_ref().ok_or(Error::ServerUrl)?;
        server.lock().await.end_by("-KILL")
    }

    /// Starts a stopped private server at the same address. Returns when it accepts connections.
    pub async fn start_again(&self) -> Result<()> {
        let (Some(server), Some(programs)) = (&self.0.server, &self.0.programs) else { return Err(Error::ServerUrl) };
        server.lock().await.start_again(programs).await
    }

    /// Returns the folder of the private server's programs, so that a test can use the matching `pg_dump`.
    #[must_use]
    pub fn programs(&self) -> Option<&Path> {
        self.0.programs.as_deref()
    }

    async fn given_or_private() -> Result<Self> {
        match env::var(SERVER_URL) {
            Ok(url) if !url.is_empty() => Self::over(ServerUrl::parse(&url).ok_or(Error::ServerUrl)?, None, None),
            _ => Self::private().await,
        }
    }

    fn over(url: ServerUrl, programs: Option<PathBuf>, server: Option<Server>) -> Result<Self> {
        Ok(Self(Arc::new(Inner {
            reaper: DatabaseReaper::start(url.clone())?,
            url,
            programs,
            creating: Mutex::default(),
            templates: std::sync::Mutex::default(),
            pooler: OnceCell::const_new(),
            server: server.map(Mutex::new),
        })))
    }

    async fn make_template<F, W, E>(&self, key: &str, fill: F) -> Result<Template>
    where
        F: FnOnce(String) -> W,
        W: Future<Output = Result<(), E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let database = self.empty_database().await?;
        fill(database.url()).await.map_err(|error| Error::Template { key: key.to_owned(), source: error.into() })?;
        self.0.close_to_everybody(database.name()).await?;
        Ok(Template { name: database.keep() })
    }
}

impl Inner {
    async fn create(&self, template: Option<&str>) -> Result<String> {
        let _one_at_a_time = self.creating.lock().await;
        let name = format!("rylie_test_{}", random_hex());
        let template = template.unwrap_or("template0");
        // Copying files is at least twice as fast as the default, which copies page by page through the WAL.
        let statement = format!(r#"CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy"#);
        administer(&self.url, "creating a test's database", statement).await?;
        Ok(name)
    }

    /// Ends connections that the filling function left open, and allows no new ones: a template must have none.
    async fn close_to_everybody(&self, name: &str) -> Result<()> {
        let doing = "closing a template database";
        let nobody_else = format!(r#"ALTER DATABASE "{name}" ALLOW_CONNECTIONS false"#);
        let goodbye = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        administer(&self.url, doing, nobody_else).await?;
        administer(&self.url, doing, goodbye).await
    }
}

async fn drop_database(url: &ServerUrl, name: &str) -> Result<()> {
    let statement = format!(r#"DROP DATABASE IF EXISTS "{name}" WITH (FORCE)"#);
    administer(url, "dropping a test's database", statement).await
}

/// Runs a command on a separate connection. A shared connection would belong to the runtime of the test that opened it,
/// and end with that runtime.
async fn administer(url: &ServerUrl, doing: &'static str, statement: String) -> Result<()> {
    let work = async {
        let mut connection = PgConnection::connect(&url.database("postgres")).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    };
    work.await.map_err(Error::sql(doing))
}
