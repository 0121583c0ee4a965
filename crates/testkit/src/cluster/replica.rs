//! A streaming replica of a private server.

use std::path::PathBuf;

use super::pooler::Pooler;
use super::server::Server;
use super::{Cluster, PostgresDatabase, administer};
use crate::{Error, Result};

/// A streaming replica of a [private](Cluster::private) server, run as a separate server on this machine. A test can
/// pause, stop, restart and promote it. It stops when the value is dropped.
#[derive(Debug)]
pub struct Replica {
    server: Server,
    programs: PathBuf,
    // The server that it follows.
    primary: Cluster,
}

impl Replica {
    /// Starts a replica of the cluster. It has the cluster's current content and then follows it.
    ///
    /// Fails with [`Error::ServerUrl`] if the cluster is not private.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let (Some(primary), Some(programs)) = (&cluster.0.server, &cluster.0.programs) else {
            return Err(Error::ServerUrl);
        };
        Ok(Self {
            server: primary.lock().await.replica(programs).await?,
            programs: programs.clone(),
            primary: cluster.clone(),
        })
    }

    /// Returns the URL of this database on the replica, as the superuser.
    #[must_use]
    pub fn url(&self, database: &PostgresDatabase) -> String {
        self.server.url().database(database.name())
    }

    /// Returns the cluster that it follows.
    #[must_use]
    pub fn primary(&self) -> &Cluster {
        &self.primary
    }

    /// Returns host and port, for a [`DelayProxy`](crate::DelayProxy).
    #[must_use]
    pub fn address(&self) -> String {
        self.server.url().address()
    }

    /// Starts a PgBouncer in transaction mode in front of this address: the replica's own, or that of a proxy to it.
    ///
    /// Fails with [`Error::PoolerMissing`] if PgBouncer is not installed.
    pub async fn pooler_before(&self, address: &str) -> Result<Pooler> {
        Pooler::start(&self.server.url().through(address)).await
    }

    /// Pauses replay: the replica receives changes but shows nothing new.
    pub async fn pause(&self) -> Result<()> {
        let pause = "DO $$ BEGIN PERFORM pg_wal_replay_pause(); \
             WHILE pg_get_wal_replay_pause_state() <> 'paused' LOOP PERFORM pg_sleep(0.01); END LOOP; END $$";
        self.run(pause).await
    }

    /// Resumes replay: the replica catches up and continues.
    pub async fn resume(&self) -> Result<()> {
        self.run("SELECT pg_wal_replay_resume()").await
    }

    /// Follows another, promoted replica. With `None` it follows no server and shows nothing new.
    pub async fn follow(&self, leader: Option<&Self>) -> Result<()> {
        let leader = leader.map_or_else(String::new, |leader| leader.server.url().conninfo());
        self.run(&format!("ALTER SYSTEM SET primary_conninfo = '{leader}'")).await?;
        self.run("SELECT pg_reload_conf()").await?;
        if leader.is_empty() {
            // It may still replay changes that it received before.
            let wait = "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_wal_receiver) LOOP \
                 PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP; END $$";
            self.run(wait).await?;
        }
        Ok(())
    }

    /// Promotes the replica to an independent server that accepts writes. This is permanent.
    pub async fn promote(&self) -> Result<()> {
        self.run("SELECT pg_promote()").await
    }

    /// Runs a command on the replica.
    pub async fn run(&self, sql: &str) -> Result<()> {
        administer(self.server.url(), "controlling a replica", sql.to_owned()).await
    }

    /// Kills the replica, at any point of its work.
    pub fn kill(&mut self) -> Result<()> {
        self.server.end_by("-KILL")
    }

    /// Stops the replica in order and notifies its clients.
    pub fn stop(&mut self) -> Result<()> {
        self.server.end_by("-INT")
    }

    /// Starts the replica again.
    pub async fn start(&mut self) -> Result<()> {
        self.server.start_again(&self.programs).await
    }
}
