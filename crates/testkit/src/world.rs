//! A migrated database with agencies and users in it, made in a line.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use rylie_db::crypto::{KeyFile, Keyring};
use rylie_db::entities::{Agency, Env, PackageType, Request, Token, User, UserRole};
use rylie_db::prelude::{
    Grant, NewAgency, NewRequest, NewUser, Origin, PlatformUnit, RequestKind, SignedInUser, Store, StoreExt,
    TenantScope, TenantUnit,
};
use rylie_db::{Config, ConfigBuilder, Database};
use tempfile::TempDir;

use crate::{Cluster, DelayProxy, PostgresDatabase, Replica, Result, SqliteDatabase, TestEnv};

/// A database of a test's own: migrated, empty, with a keyring, a clock that stands still and numbered ids.
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
    // Where the store connects: the same, or the pooler before it.
    store_url: String,
    replica_urls: Vec<String>,
    keys: TempDir,
    place: Place,
}

/// Dropped with the world, and the database with it.
#[derive(Debug)]
enum Place {
    Sqlite { _file: SqliteDatabase },
    Postgres { database: PostgresDatabase },
}

impl World {
    /// On a SQLite file in a temporary folder.
    pub async fn sqlite() -> Result<Self> {
        let file = SqliteDatabase::new()?;
        let url = file.url();
        migrate(url.clone()).await?;
        Self::open(url.clone(), url, &[], Place::Sqlite { _file: file }).await
    }

    /// On a PostgreSQL database of the [shared cluster](Cluster::shared), copied from a migrated template.
    pub async fn postgres() -> Result<Self> {
        Self::postgres_of(Cluster::shared().await?).await
    }

    /// On a PostgreSQL database of this cluster, such as a [private](Cluster::private) one that a test crashes.
    pub async fn postgres_of(cluster: &Cluster) -> Result<Self> {
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let url = database.url();
        Self::open(url.clone(), url, &[], Place::Postgres { database }).await
    }

    /// On a PostgreSQL database of the replica's primary, with a store that may read from the replica. It does from a moment
    /// later on, when the replica has the database and was looked at.
    pub async fn postgres_with_replica(replica: &Replica) -> Result<Self> {
        let cluster = replica.primary();
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let (url, replica_url) = (database.url(), replica.url(&database));
        Self::open(url.clone(), url, &[replica_url], Place::Postgres { database }).await
    }

    /// As [`postgres`](Self::postgres), with the store behind a [transaction-mode pooler](Cluster::pooler_address) and its
    /// setting `behind_pooler` on. [`url`](Self::url) leads past the pooler.
    pub async fn postgres_behind_pooler() -> Result<Self> {
        let cluster = Cluster::shared().await?;
        let template = cluster.template("migrated", migrate).await?;
        let database = cluster.clone_of(&template).await?;
        let pooled = database.url_through_pooler().await?;
        Self::open(pooled, database.url(), &[], Place::Postgres { database }).await
    }

    async fn open(store_url: String, url: String, replica_urls: &[String], place: Place) -> Result<Self> {
        let keys = TempDir::with_prefix("rylie-keys-").map_err(crate::Error::io("making a folder for a keyring"))?;
        let keyring = keys.path().join("keyring.json");
        KeyFile::new(&keyring).create(&Keyring::generate()?)?;
        let config = settings(&store_url, &url, &keyring)?.set("replica_urls", replica_urls.join(","))?.build()?;
        let env = Arc::new(TestEnv::default());
        let database = Database::connect_with(config, Arc::clone(&env) as Arc<dyn Env>).await?;
        Ok(Self { database, env, url, store_url, replica_urls: replica_urls.to_vec(), keys, place })
    }

    /// A second store on the same database, by a pool of its own with so many connections: as another process has it. Its
    /// callers wait for a connection and for a lock up to a minute, so that many may share few.
    pub async fn connect_again(&self, connections: u32) -> Result<Database> {
        let settings = settings(&self.store_url, &self.url, &self.keyring())?;
        let config = settings.set("max_connections", connections)?;
        let config = config.set("acquire_timeout_seconds", 60)?.set("lock_timeout_seconds", 60)?.build()?;
        Ok(Database::connect_with(config, Arc::clone(&self.env) as Arc<dyn Env>).await?)
    }

    /// A second store on the same database and replicas, with settings of its own on top.
    pub async fn connect_with_settings(&self, more: &[(&str, &str)]) -> Result<Database> {
        let settings = settings(&self.store_url, &self.url, &self.keyring())?;
        let mut settings = settings.set("replica_urls", self.replica_urls.join(","))?;
        for (name, value) in more {
            settings = settings.set(name, value)?;
        }
        Ok(Database::connect_with(settings.build()?, Arc::clone(&self.env) as Arc<dyn Env>).await?)
    }

    /// The database, as a service has it.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The three doors.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        self.database.store()
    }

    /// The clock and the ids.
    #[must_use]
    pub fn env(&self) -> &TestEnv {
        &self.env
    }

    /// The keyring's file, for a second store on the same database.
    #[must_use]
    pub fn keyring(&self) -> PathBuf {
        self.keys.path().join("keyring.json")
    }

    /// Where the database is, for a connection beside the store.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the database is as seen through a slow or broken network; `None` on SQLite, which has no network.
    #[must_use]
    pub fn url_through(&self, proxy: &DelayProxy) -> Option<String> {
        match &self.place {
            Place::Sqlite { .. } => None,
            Place::Postgres { database } => Some(database.url_through(proxy)),
        }
    }

    /// Where the database is as seen through whatever is at this address, such as a pooler; `None` on SQLite.
    #[must_use]
    pub fn url_at(&self, address: &str) -> Option<String> {
        match &self.place {
            Place::Sqlite { .. } => None,
            Place::Postgres { database } => Some(database.url_at(address)),
        }
    }

    /// Where the database is on a replica, past the store; `None` on SQLite.
    #[must_use]
    pub fn replica_url(&self, replica: &Replica) -> Option<String> {
        match &self.place {
            Place::Sqlite { .. } => None,
            Place::Postgres { database } => Some(replica.url(database)),
        }
    }

    /// Whether the engine is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    /// A unit across tenants, entered by the job `test`.
    pub async fn platform(&self) -> Result<Box<dyn PlatformUnit>> {
        Ok(self.store().platform(Grant::job("test", "to test")?).await?)
    }

    /// An agency with an administrator, who is signed in.
    pub async fn agency(&self) -> Result<TestAgency<'_>> {
        let unit = self.platform().await?;
        let name = format!("Agency {}", self.env.new_id());
        let agency = unit.agency_administration().add(NewAgency { name, domain: None }).await?;
        unit.commit().await?;
        let admin = self.user().of(&agency).role(UserRole::AgencyAdmin).build().await?;
        Ok(TestAgency { world: self, agency, admin })
    }

    /// Begins a user of no agency, with the role `USER`.
    pub fn user(&self) -> UserBuilder<'_> {
        let email = format!("user-{}@example.com", self.env.new_id());
        UserBuilder { world: self, new: NewUser { email, ..NewUser::default() } }
    }

    /// Signs a user in by a session of eight hours.
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
    let database = Database::connect(Config::new(&url)?).await?;
    database.migrate().await?;
    database.close().await;
    Ok(())
}

/// Makes a user; [`build`](Self::build) makes the row and signs the user in.
#[derive(Debug)]
#[must_use = "nothing is made before `build`"]
pub struct UserBuilder<'w> {
    world: &'w World,
    new: NewUser,
}

impl<'w> UserBuilder<'w> {
    /// Of this agency.
    pub fn of(mut self, agency: &Agency) -> Self {
        self.new.agency = Some(agency.id.clone());
        self
    }

    /// With this role.
    pub fn role(mut self, role: UserRole) -> Self {
        self.new.role = Some(role);
        self
    }

    /// With this package, and a billing period that begins now.
    pub fn package(mut self, package: PackageType) -> Self {
        self.new.package = Some(package);
        self
    }

    /// With this address.
    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.new.email);
        self
    }

    /// Makes the user and signs in.
    pub async fn build(self) -> Result<TestUser<'w>> {
        let unit = self.world.platform().await?;
        let user = unit.users().add(self.new).await?;
        unit.commit().await?;
        self.world.sign_in(&user).await
    }
}

/// A user who is signed in.
#[derive(Debug)]
pub struct TestUser<'w> {
    world: &'w World,
    /// The row.
    pub user: User,
    /// What the session gave.
    pub signed_in: SignedInUser,
    /// The session's token.
    pub session: Token,
}

impl TestUser<'_> {
    /// The user's scope, from nowhere in particular.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        TenantScope::of(&self.signed_in, Origin::default())
    }

    /// A unit within the user's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        Ok(self.world.store().tenant(&self.scope()).await?)
    }

    /// A request of the user's, committed. The clock moves on by a second, so that the order is known.
    pub async fn request(&self) -> Result<Request> {
        self.world.env.forward(TimeDelta::seconds(1));
        let unit = self.unit().await?;
        let title = format!("Request {}", self.world.env.new_id());
        let new = NewRequest::new(title, RequestKind::Page);
        let request = unit.requests().add(new).await?;
        unit.commit().await?;
        Ok(request)
    }
}

/// An agency with an administrator, who is signed in.
#[derive(Debug)]
pub struct TestAgency<'w> {
    world: &'w World,
    /// The row.
    pub agency: Agency,
    /// Its administrator.
    pub admin: TestUser<'w>,
}

impl<'w> TestAgency<'w> {
    /// The administrator's scope.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        self.admin.scope()
    }

    /// A unit within the administrator's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        self.admin.unit().await
    }

    /// A request of the administrator's, committed.
    pub async fn request(&self) -> Result<Request> {
        self.admin.request().await
    }

    /// Another user of the agency, with the role `USER`, signed in.
    pub async fn user(&self) -> Result<TestUser<'w>> {
        self.world.user().of(&self.agency).build().await
    }
}
