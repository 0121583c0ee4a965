//! The service as in production, with a plain login to which row-level security applies.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::own::Schema;
use rylie_db::prelude::*;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;

use crate::dataset::user;
use crate::server_time::follow;
use crate::{Result, settings};

/// The longest wait for the replicas. The service probes a replica that did not answer again after 15 seconds at most.
const REPLICAS_SERVE_WITHIN: Duration = Duration::from_secs(30);

/// A connected database with a temporary keyring.
pub(crate) struct Service {
    pub(crate) store: Arc<dyn Store>,
    _keys: TempDir,
}

impl Service {
    /// Connects with a login that has no right on any row. A unit that did not assume its database role could read
    /// nothing.
    pub(crate) async fn connect() -> Result<Self> {
        Self::connect_with(Schema::new()).await
    }

    /// As [`connect`](Self::connect), in sessions whose statements the server times, if it can.
    pub(crate) async fn timed() -> Result<Self> {
        follow(true).await?;
        Self::connect().await
    }

    /// As [`connect`](Self::connect), with a service's own tables.
    pub(crate) async fn connect_with(schema: Schema) -> Result<Self> {
        let url = settings::service_url()?;
        refuse_a_login_above_the_policies(&url).await?;
        let keys = TempDir::with_prefix("rylie-bench-")?;
        let keyring = keys.path().join("keyring.json");
        KeyFile::new(&keyring).create(&Keyring::generate()?)?;
        let mut config = Config::builder().set("database_url", url)?.set("max_connections", settings::connections())?;
        for (setting, value) in settings::of_service() {
            config = config.set(setting, value)?;
        }
        let mut config = config.set("keyring", keyring.display())?;
        // A loop counts more uses than any package allows.
        for quota in ["quota_silver", "quota_gold", "quota_platinum"] {
            config = config.set(quota, "1000000000,3,8,8")?;
        }
        let database = Database::connect(config.build()?.with(schema)?).await?;
        replicas_serve(&database).await?;
        Ok(Self { store: database.store(), _keys: keys })
    }

    /// Begins a session of a user and returns its token.
    pub(crate) async fn token(&self, number: u64) -> Result<Token> {
        let unit = self.store.identity().await?;
        let token = unit.sessions().begin(&user(number)?, SystemEnv.now() + TimeDelta::hours(8)).await?;
        unit.commit().await?;
        Ok(token)
    }

    /// Signs a user in and returns the scope. A user with an agency's number administers that agency.
    pub(crate) async fn scope(&self, number: u64) -> Result<TenantScope> {
        let unit = self.store.identity().await?;
        let token = unit.sessions().begin(&user(number)?, SystemEnv.now() + TimeDelta::hours(8)).await?;
        let signed_in = unit.sessions().signed_in(&token).await?.ok_or("the session is missing")?;
        unit.commit().await?;
        Ok(TenantScope::of(&signed_in, Origin::default()))
    }

    /// Returns the scopes of some agencies' administrators.
    pub(crate) async fn scopes(&self, agencies: std::ops::Range<u64>) -> Result<Vec<TenantScope>> {
        let mut scopes = Vec::new();
        for agency in agencies {
            scopes.push(self.scope(agency).await?);
        }
        Ok(scopes)
    }
}

/// Waits until every configured replica serves reads. Until then the primary would serve them.
async fn replicas_serve(database: &Database) -> Result<()> {
    let until = Instant::now() + REPLICAS_SERVE_WITHIN;
    loop {
        let replicas = database.replicas();
        let Some(out) = replicas.iter().find(|replica| !replica.serving) else { return Ok(()) };
        if Instant::now() >= until {
            return Err(format!("replica {} serves no reads: {}", out.number, out.reason).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn refuse_a_login_above_the_policies(url: &str) -> Result<()> {
    // PgBouncer 1.18 rejects this startup parameter of the driver.
    let mut login = PgConnectOptions::from_str(url)?.extra_float_digits(None).connect().await?;
    // Unprepared: a pooler may prepare a statement on one server connection and run it on another.
    let above: bool = sqlx::raw_sql(
        r#"SELECT rolsuper OR rolbypassrls OR has_table_privilege('public."Request"', 'SELECT') FROM pg_roles WHERE rolname = current_user"#,
    )
    .fetch_one(&mut login)
    .await?
    .try_get(0)?;
    login.close().await?;
    if above {
        Err("the service's login bypasses row-level security; use one without rights on the tables".into())
    } else {
        Ok(())
    }
}
