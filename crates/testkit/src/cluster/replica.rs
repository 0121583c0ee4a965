//! A streaming replica of a private server.

use std::path::PathBuf;

use super::pooler::Pooler;
use super::server::Server;
use super::{Cluster, PostgresDatabase, administer};
use crate::{Error, Result};

/// A streaming replica of a [private](Cluster::private) server, a server of its own on this machine. It can be made slow, ended,
/// started again and promoted. It stops when the value is dropped.
#[derive(Debug)]
pub struct Replica {
    server: Server,
    programs: PathBuf,
    // The server that it follows.
    primary: Cluster,
}

impl Replica {
    /// A new replica of the cluster, which has all that the cluster has by now, and then what comes.
    ///
    /// [`Error::ServerUrl`] if the cluster is not a private one.
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

    /// Where the replica of this database is, as the superuser.
    #[must_use]
    pub fn url(&self, database: &PostgresDatabase) -> String {
        self.server.url().database(database.name())
    }

    /// The cluster that it follows.
    #[must_use]
    pub fn primary(&self) -> &Cluster {
        &self.primary
    }

    /// Host and port, for a [`DelayProxy`](crate::DelayProxy).
    #[must_use]
    pub fn address(&self) -> String {
        self.server.url().address()
    }

    /// A PgBouncer in transaction mode before what is at this address: the replica's own, or one that leads to it.
    ///
    /// [`Error::PoolerMissing`] if PgBouncer is not installed.
    pub async fn pooler_before(&self, address: &str) -> Result<Pooler> {
        Pooler::start(&self.server.url().through(address)).await
    }

    /// From now on it shows nothing new, however much it receives.
    pub async fn pause(&self) -> Result<()> {
        let pause = "DO $$ BEGIN PERFORM pg_wal_replay_pause(); \
             WHILE pg_get_wal_replay_pause_state() <> 'paused' LOOP PERFORM pg_sleep(0.01); END LOOP; END $$";
        self.run(pause).await
    }

    /// It catches up, and goes on.
    pub async fn resume(&self) -> Result<()> {
        self.run("SELECT pg_wal_replay_resume()").await
    }

    /// From now on it follows the other one, which was promoted; or nobody, and shows nothing new.
    pub async fn follow(&self, leader: Option<&Self>) -> Result<()> {
        let leader = leader.map_or_else(String::new, |leader| leader.server.url().conninfo());
        self.run(&format!("ALTER SYSTEM SET primary_conninfo = '{leader}'")).await?;
        self.run("SELECT pg_reload_conf()").await?;
        if leader.is_empty() {
            // What it has received by then it may still replay.
            let wait = "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_wal_receiver) LOOP \
                 PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01); END LOOP; END $$";
            self.run(wait).await?;
        }
        Ok(())
    }

    /// Makes a server of its own of it, which takes writes. There is no way back.
    pub async fn promote(&self) -> Result<()> {
        self.run("SELECT pg_promote()").await
    }

    /// Runs a command on the replica.
    pub async fn run(&self, sql: &str) -> Result<()> {
        administer(self.server.url(), "steering a replica", sql.to_owned()).await
    }

    /// Ends it as a crash does, in the middle of whatever it does.
    pub fn kill(&mut self) -> Result<()> {
        self.server.end_by("-KILL")
    }

    /// Ends it in order: its clients are told.
    pub fn stop(&mut self) -> Result<()> {
        self.server.end_by("-INT")
    }

    /// Starts it again.
    pub async fn start(&mut self) -> Result<()> {
        self.server.start_again(&self.programs).await
    }
}
