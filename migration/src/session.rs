//! A connection to the database that is migrated. Other modules add the operations.

use std::sync::Arc;
use std::time::Duration;

use rylie_driver::{OnWait, code_of};

use crate::adopt::Catalog;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::migrations::{MIGRATIONS, Migration};
use crate::options::Options;
use crate::own::own_catalog;
use crate::step::{Engine, Target};

/// The migrations of one database, over a dedicated connection.
pub struct Migrations {
    pub(crate) connection: Connection,
    pub(crate) options: Options,
    pub(crate) list: Arc<[&'static dyn Migration]>,
    /// A service's columns with secrets, as table and column.
    own_secrets: Vec<(&'static str, &'static str)>,
}

impl std::fmt::Debug for Migrations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Migrations").field("engine", &self.engine()).finish_non_exhaustive()
    }
}

impl Migrations {
    /// Connects. On PostgreSQL, bypass a transaction-mode pooler: locks and settings belong to the session.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, Options::default()).await
    }

    /// Connects with other time limits.
    pub async fn connect_with(url: &str, options: Options) -> Result<Self> {
        let connection = Connection::open(url).await?.looking_every(options.look);
        Ok(Self { connection, options, list: MIGRATIONS.into(), own_secrets: Vec::new() })
    }

    /// Connects for reading only, as for [`status`](Self::status).
    ///
    /// Needs only the right to read, and PostgreSQL refuses every write. A SQLite file that does not exist counts as an
    /// empty database and is not created.
    pub async fn connect_to_read(url: &str) -> Result<Self> {
        Ok(Self {
            connection: Connection::open_to_read(url).await?,
            options: Options::default(),
            list: MIGRATIONS.into(),
            own_secrets: Vec::new(),
        })
    }

    /// Limits the wait for locks of other sessions, so that a read next to a blocked schema ends soon. PostgreSQL; SQLite
    /// keeps its limit.
    pub async fn waiting_at_most(mut self, limit: Duration) -> Result<Self> {
        if self.engine() == Engine::Postgres {
            let set = format!("SET lock_timeout = {}", limit.as_millis().max(1));
            self.connection.execute(&set).await.map_err(Error::doing("limiting the wait for locks"))?;
        }
        Ok(self)
    }

    /// Sends reports of statements that run longer than 0.7 seconds to this listener, every second: which sessions block
    /// them, or how far they are. Without it they go to the log. PostgreSQL.
    #[must_use]
    pub fn reporting_waits_to(mut self, listener: OnWait) -> Self {
        self.connection.report_waits_to(listener);
        self
    }

    /// Lets the fill of the tenant key fire the triggers of others: see [`Options::fire_triggers`].
    #[must_use]
    pub fn firing_triggers(mut self) -> Self {
        self.options.fire_triggers = true;
        self
    }

    /// Uses another list instead of [`MIGRATIONS`], to test migrations before they are listed. It must begin with our
    /// list: only a database with the base on record can be migrated.
    #[must_use]
    pub fn with_list(self, list: &'static [&'static dyn Migration]) -> Self {
        Self { list: list.into(), ..self }
    }

    /// Adds the migrations of a service after ours. Their names begin with `own_`; they run in this order.
    #[must_use]
    pub fn with_own(self, own: &[&'static dyn Migration]) -> Self {
        Self { list: self.list.iter().chain(own).copied().collect(), ..self }
    }

    /// Names a service's columns with secrets, as table and column: no provisioned reader may read them.
    #[must_use]
    pub fn with_own_secrets(self, columns: Vec<(&'static str, &'static str)>) -> Self {
        Self { own_secrets: columns, ..self }
    }

    /// Returns the service's tables as its migrations describe them, without the columns that no reader may read.
    pub(crate) fn own_readable(&self) -> Catalog {
        let mut own = own_catalog(&self.list);
        for (table, column) in &self.own_secrets {
            if let Some(table) = own.tables.get_mut(*table) {
                table.columns.remove(*column);
            }
        }
        own
    }

    /// Names the sessions that blocked a statement for too long.
    pub(crate) fn explained<T>(&mut self, outcome: Result<T>) -> Result<T> {
        let is_wait = |source: &sqlx::Error| code_of(source).as_deref() == Some("55P03");
        match outcome {
            Err(Error::Database { doing, source }) if is_wait(&source) => {
                Err(Error::Waited { doing, blockers: self.connection.take_blockers(), source })
            }
            other => other,
        }
    }

    /// Returns the database engine.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.connection.engine()
    }
}
