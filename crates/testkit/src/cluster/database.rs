//! A PostgreSQL database for one test.

use std::sync::Arc;

use super::{Cluster, Inner, Template};
use crate::{DelayProxy, Result};

/// A PostgreSQL database for one test.
///
/// Dropping the value drops the database a little later, despite open connections and without blocking;
/// [`remove`](Self::remove) waits for it. Keep the value, not only its URL, while the database is needed.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    // Keeps the server running while one of its databases is in use.
    cluster: Arc<Inner>,
}

impl PostgresDatabase {
    pub(super) async fn create(cluster: &Arc<Inner>, template: Option<&Template>) -> Result<Self> {
        let name = cluster.create(template.map(|template| template.name.as_str())).await?;
        Ok(Self { name, cluster: Arc::clone(cluster) })
    }

    /// Returns the URL as the server's superuser. A private server is reached through its socket.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url.database(&self.name)
    }

    /// Returns the URL as another role. A private server asks for no password here. A server from
    /// `RYLIE_TEST_DATABASE_URL` gets the password of its superuser.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        self.cluster.url.with_user(role).database(&self.name)
    }

    /// Makes a new login the owner of the database, as on managed services, and returns the URL as that login. The
    /// login may create roles and is no superuser. It owns schema `public` only as the owner of the database.
    pub async fn managed_owner(&self) -> Result<String> {
        let owner = self.managed_owner_name();
        let doing = "creating a database's owner";
        let make = format!("CREATE ROLE \"{owner}\" LOGIN CREATEROLE");
        super::administer(&self.cluster.url, doing, make).await?;
        let give = format!("ALTER DATABASE \"{}\" OWNER TO \"{owner}\"", self.name);
        super::administer(&self.cluster.url, doing, give).await?;
        Ok(self.url_as(&owner))
    }

    /// Returns the name of the login that [`managed_owner`](Self::managed_owner) creates.
    #[must_use]
    pub fn managed_owner_name(&self) -> String {
        format!("{}_managed", self.name)
    }

    /// Returns the URL as the server's superuser, through a proxy that was started for
    /// [`Cluster::address`](crate::Cluster::address).
    #[must_use]
    pub fn url_through(&self, proxy: &DelayProxy) -> String {
        self.cluster.url.through(&proxy.address().to_string()).database(&self.name)
    }

    /// Returns the URL as the server's superuser, through the [pooler](crate::Cluster::pooler_address).
    pub async fn url_through_pooler(&self) -> Result<String> {
        let address = Cluster(Arc::clone(&self.cluster)).pooler_address().await?.to_owned();
        Ok(self.cluster.url.through(&address).database(&self.name))
    }

    /// Returns the URL as the server's superuser, through this address, such as a separate pooler.
    #[must_use]
    pub fn url_at(&self, address: &str) -> String {
        self.cluster.url.through(address).database(&self.name)
    }

    /// Returns the database's name, unique on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Drops the database despite open connections, and returns when it is gone.
    pub async fn remove(mut self) -> Result<()> {
        super::drop_database(&self.cluster.url, &self.name).await?;
        self.name.clear();
        Ok(())
    }

    /// Returns the name of a database and keeps the database.
    pub(super) fn keep(mut self) -> String {
        std::mem::take(&mut self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            self.cluster.reaper.drop_later(std::mem::take(&mut self.name));
        }
    }
}
