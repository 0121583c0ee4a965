//! A PostgreSQL database of a test's own.

use std::sync::Arc;

use super::{Cluster, Inner, Template};
use crate::{DelayProxy, Result};

/// A database of a test's own. Dropping the value drops the database, connections or not, a little later and without
/// blocking; [`remove`](Self::remove) waits for it.
/// So keep the value, not only its URL, for as long as the database is needed.
#[derive(Debug)]
pub struct PostgresDatabase {
    name: String,
    // Keeps the server running for as long as one of its databases is in use.
    cluster: Arc<Inner>,
}

impl PostgresDatabase {
    pub(super) async fn create(cluster: &Arc<Inner>, template: Option<&Template>) -> Result<Self> {
        let name = cluster.create(template.map(|template| template.name.as_str())).await?;
        Ok(Self { name, cluster: Arc::clone(cluster) })
    }

    /// Where to connect, as the server's superuser. The private server is reached through its socket.
    #[must_use]
    pub fn url(&self) -> String {
        self.cluster.url.database(&self.name)
    }

    /// Where to connect as another role. The private server asks for no password here; a server named in
    /// `RYLIE_TEST_DATABASE_URL` is given the same one as for its superuser.
    #[must_use]
    pub fn url_as(&self, role: &str) -> String {
        self.cluster.url.with_user(role).database(&self.name)
    }

    /// Gives the database to a new login as managed services have one: it may make roles and is no superuser, and owns schema `public`
    /// by owning the database alone. Where to connect as it.
    pub async fn managed_owner(&self) -> Result<String> {
        let owner = self.managed_owner_name();
        let doing = "making a database's owner";
        let make = format!("CREATE ROLE \"{owner}\" LOGIN CREATEROLE");
        super::administer(&self.cluster.url, doing, make).await?;
        let give = format!("ALTER DATABASE \"{}\" OWNER TO \"{owner}\"", self.name);
        super::administer(&self.cluster.url, doing, give).await?;
        Ok(self.url_as(&owner))
    }

    /// The name of the login that [`managed_owner`](Self::managed_owner) makes.
    #[must_use]
    pub fn managed_owner_name(&self) -> String {
        format!("{}_managed", self.name)
    }

    /// Where to connect, as the server's superuser, through a proxy that was started for
    /// [`Cluster::address`](crate::Cluster::address).
    #[must_use]
    pub fn url_through(&self, proxy: &DelayProxy) -> String {
        self.cluster.url.through(&proxy.address().to_string()).database(&self.name)
    }

    /// Where to connect, as the server's superuser, through the [pooler](crate::Cluster::pooler_address).
    pub async fn url_through_pooler(&self) -> Result<String> {
        let address = Cluster(Arc::clone(&self.cluster)).pooler_address().await?.to_owned();
        Ok(self.cluster.url.through(&address).database(&self.name))
    }

    /// Where to connect, as the server's superuser, through whatever is at this address: a pooler of one's own.
    #[must_use]
    pub fn url_at(&self, address: &str) -> String {
        self.cluster.url.through(address).database(&self.name)
    }

    /// The database's name, unique on its server.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Drops the database, connections or not, and returns when it is gone.
    pub async fn remove(mut self) -> Result<()> {
        super::drop_database(&self.cluster.url, &self.name).await?;
        self.name.clear();
        Ok(())
    }

    /// The name of a database that stays.
    pub(super) fn keep(mut self) -> String {
        std::mem::take(&mut self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            self.cluster.undertaker.bury(std::mem::take(&mut self.name));
        }
    }
}
