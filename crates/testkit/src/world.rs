//! A migrated database, with one-line builders for agencies and users.

mod users;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::entities::{Env, User, UserRole};
use rylie_db::own::Schema;
use rylie_db::prelude::{Grant, NewAgency, NewUser, PlatformUnit, Store, StoreExt};
use rylie_db::{Config, ConfigBuilder, Database};
use tempfile::TempDir;

pub use users::{TestAgency, TestUser, UserBuilder};

use crate::{Cluster, DelayProxy, PostgresDatabase, Replica, Result, SqliteDatabase, TestEnv};

/// A database for one test: migrated, empty, with a keyring, a clock that stands still and numbered ids.
///
/// ```no_run
/// # async fn example() -> rylie_testkit::Result<()> {
/// use rylie_testkit::World;
///
/// let world = World::sqlite().await?;
/// let (ours, theirs) = (world.agency().await?, world.agency().await?);
/// let request = ours.request().await?;
///
/// let unit = theirs.unit().await?;
/// assert_eq!(unit.requests().find(&request.id).await?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct World {
    database: Database,
    env: Arc<TestEnv>,
    url: String,
    // The store's URL: the same, or that of the pooler in front.
    store_url: String,
    replica_urls: Vec<String>,
    keys: TempDir,
    place: Place,
}

/// The database. Dropping it deletes the database.
#[derive(Debug)]
enum Place {
    Sqlite { _file: SqliteDatabase },
    Postgres { database: PostgresDatabase },
}

impl World {
    /// Creates a world on a SQLite file in a temporary folder.
    pub async fn sqlite() -> Result<Self> {
        let file = SqliteDatabase::new()?;
        let url = file.url();
        migrate(url.clone()).await?;
        Self::open(url.clone(), url, &[], Place::Sqlite { _file: file }).await
    }

    /// As [`sqlite`](Self::sqlite), with a service's own tables.
    pub async fn sqlite_with(schema: Schema) -> Result<Self> {
        let file = SqliteDatabase::new()?;
        let url = file.url();
        migrate_with(url.clone(), schema.clone()).await?;
        Self::open_with(url.clone(), url, &[], Place::Sqlite { _file: file }, schema).await
    }

    /// As [`postgres`](Self::postgres), with a service's own tables.
    pub async fn postgres_with(schema: Schema) -> Result<Self> {
        let cluster = Cluster::shared().await?;
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let url = database.url();
        migrate_with(url.clone(), schema.clone()).await?;
        Self::open_with(url.clone(), url, &[], Place::Postgres { database }, schema).await
    }

    /// Creates a world on a PostgreSQL database of the [shared cluster](Cluster::shared), copied from a migrated
    /// template.
    pub async fn postgres() -> Result<Self> {
        Self::postgres_of(Cluster::shared().await?).await
    }

    /// Creates a world on a PostgreSQL database of this cluster, such as a [private](Cluster::private) one that a test
    /// crashes.
    pub async fn postgres_of(cluster: &Cluster) -> Result<Self> {
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let url = database.url();
        Self::open(url.clone(), url, &[], Place::Postgres { database }).await
    }

    /// Creates a world on a database of the replica's primary. The store may read from the replica as soon as the
    /// replica has the database and was probed.
    pub async fn postgres_with_replica(replica: &Replica) -> Result<Self> {
        let cluster = replica.primary();
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let (url, replica_url) = (database.url(), replica.url(&database));
        Self::open(url.clone(), url, &[replica_url], Place::Postgres { database }).await
    }

    /// As [`postgres`](Self::postgres), with the store behind a [transaction-mode pooler](Cluster::pooler_address) and
    /// its setting `behind_pooler` on. [`url`](Self::url) bypasses the pooler.
    pub async fn postgres_behind_pooler() -> Result<Self> {
        let cluster = Cluster::shared().await?;
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let pooled = database.url_through_pooler().await?;
        Self::open(pooled, database.url(), &[], Place::Postgres { database }).await
    }

    async fn open(store_url: String, url: String, replica_urls: &[String], place: Place) -> Result<Self> {
        Self::open_with(store_url, url, replica_urls, place, Schema::new()).await
    }

    async fn open_with(
        store_url: String,
        url: String,
        replica_urls: &[String],
        place: Place,
        schema: Schema,
    ) -> Result<Self> {
        let keys = TempDir::with_prefix("rylie-keys-").map_err(crate::Error::io("creating a folder for a keyring"))?;
        let keyring = keys.path().join("keyring.json");
        KeyFile::new(&keyring).create(&Keyring::generate()?)?;
        let config = settings(&store_url, &url, &keyring)?.set("replica_urls", replica_urls.join(","))?;
        let config = config.build()?.with(schema)?;
        let env = Arc::new(TestEnv::default());
        let database = Database::connect_with(config, Arc::clone(&env) as Arc<dyn Env>).await?;
        Ok(Self { database, env, url, store_url, replica_urls: replica_urls.to_vec(), keys, place })
    }

    /// Opens a second store on the same database with a separate pool of this size, like another process. Its callers
    /// wait up to a minute for a connection and for a lock, so that many can share few connections.
    pub async fn connect_again(&self, connections: u32) -> Result<Database> {
        let settings = settings(&self.store_url, &self.url, &self.keyring())?;
        let config = settings.set("max_connections", connections)?;
        let config = config.set("acquire_timeout_seconds", 60)?.set("lock_timeout_seconds", 60)?.build()?;
        let config = config.with(self.database.config().schema().clone())?;
        Ok(Database::connect_with(config, Arc::clone(&self.env) as Arc<dyn Env>).await?)
    }

    /// Opens a second store on the same database and replicas, with additional settings.
    pub async fn connect_with_settings(&self, more: &[(&str, &str)]) -> Result<Database> {
        let settings = settings(&self.store_url, &self.url, &self.keyring())?;
        let mut settings = settings.set("replica_urls", self.replica_urls.join(","))?;
        for (name, value) in more {
            settings = settings.set(name, value)?;
        }
        let config = settings.build()?.with(self.database.config().schema().clone())?;
        Ok(Database::connect_with(config, Arc::clone(&self.env) as Arc<dyn Env>).await?)
    }

    /// Returns the database handle of a service.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the store, which opens units.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.database.store()
    }

    /// Returns the clock and the id source.
    #[must_use]
    pub fn env(&self) -> &TestEnv {
        &self.env
    }

    /// Returns the path of the keyring, for a second store on the same database.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.keys.path().join("keyring.json")
    }

    /// Returns the URL of the database, for a connection outside the store.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the database's URL through a slow or broken network; `None` on SQLite, which has no network.
    #[must_use]
    pub fn url_through(&self, proxy: &DelayProxy) -> Option<String> {
        self.on_postgres().map(|database| database.url_through(proxy))
    }

    /// Returns the database's URL at this address, such as a pooler's; `None` on SQLite.
    #[must_use]
    pub fn url_at(&self, address: &str) -> Option<String> {
        self.on_postgres().map(|database| database.url_at(address))
    }

    /// Returns the database's URL on a replica, outside the store; `None` on SQLite.
    #[must_use]
    pub fn replica_url(&self, replica: &Replica) -> Option<String> {
        self.on_postgres().map(|database| replica.url(database))
    }

    /// Returns whether the engine is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        self.on_postgres().is_some()
    }

    fn on_postgres(&self) -> Option<&PostgresDatabase> {
        if let Place::Postgres { database } = &self.place { Some(database) } else { None }
    }

    /// Opens a platform unit for the job `test`.
    pub async fn platform(&self) -> Result<Box<dyn PlatformUnit>> {
        Ok(self.store().platform(Grant::job("test", "to test")?).await?)
    }

    /// Adds an agency with a signed-in administrator.
    pub async fn agency(&self) -> Result<TestAgency<'_>> {
        let unit = self.platform().await?;
        let name = format!("Agency {}", self.env.new_id());
        let agency = unit.agency_administration().add(NewAgency { name, domain: None }).await?;
        unit.commit().await?;
        let admin = self.user().of(&agency).role(UserRole::AgencyAdmin).build().await?;
        Ok(TestAgency { world: self, agency, admin })
    }

    /// Builds a user without an agency, with the role `USER`.
    pub fn user(&self) -> UserBuilder<'_> {
        let email = format!("user-{}@example.com", self.env.new_id());
        UserBuilder { world: self, new: NewUser { email, ..NewUser::default() } }
    }

    /// Signs a user in with a session of eight hours.
    pub async fn sign_in(&self, user: &User) -> Result<TestUser<'_>> {
        let unit = self.store().identity().await?;
        let expires = self.env.now() + TimeDelta::hours(8);
        let session = unit.sessions().begin(&user.id, expires).await?;
        let signed_in = unit.sessions().signed_in(&session).await?;
        unit.commit().await?;
        let signed_in = signed_in.ok_or(rylie_db::repositories::Error::NotFound { entity: "Session" })?;
        Ok(TestUser { world: self, user: user.clone(), signed_in, session })
    }
}

fn settings(store_url: &str, url: &str, keyring: &Path) -> rylie_db::Result<ConfigBuilder> {
    let settings = Config::builder().set("database_url", store_url)?.set("keyring", keyring.display())?;
    settings.set("behind_pooler", store_url != url)
}

async fn migrate(url: String) -> rylie_db::Result<()> {
    migrate_with(url, Schema::new()).await
}

async fn migrate_with(url: String, schema: Schema) -> rylie_db::Result<()> {
    let database = Database::connect(Config::new(&url)?.with(schema)?).await?;
    database.migrate().await?;
    database.close().await;
    Ok(())
}
