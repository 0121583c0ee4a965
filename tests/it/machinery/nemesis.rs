//! Causes every fault of the network, the pooler and the server, at random, while a test works.

use std::collections::BTreeMap;
use std::time::Duration;

use rylie_testkit::{Cluster, DelayProxy, Lost, OnCommit, Pooler, World};
use tokio::time::sleep;

use crate::support::seed::Random;
use crate::support::sql::Sql;

/// A private server, and the network between it and a store.
pub(crate) struct Nemesis {
    pub(crate) cluster: Cluster,
    pub(crate) world: World,
    /// Before the server, or before the pooler.
    front: DelayProxy,
    /// Between the pooler and the server.
    behind: Option<DelayProxy>,
    _pooler: Option<Pooler>,
    url: String,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Fault {
    Delay,
    Bytes,
    Reset,
    Sever,
    Forget,
    Lose,
    OnCommit,
    EndSessions,
    CutBehind,
    CommitBehind,
    KillServer,
}

const NETWORK: [Fault; 8] = [
    Fault::Delay,
    Fault::Bytes,
    Fault::Reset,
    Fault::Sever,
    Fault::Forget,
    Fault::Lose,
    Fault::OnCommit,
    Fault::EndSessions,
];

impl Nemesis {
    pub(crate) async fn new(behind_pooler: bool) -> Self {
        let cluster = Cluster::private_durable().await.unwrap();
        let world = World::postgres_of(&cluster).await.unwrap();
        let (behind, pooler) = if behind_pooler {
            let behind = DelayProxy::start(cluster.address()).await.unwrap();
            let pooler = cluster.pooler_before(&behind.address().to_string()).await.unwrap();
            (Some(behind), Some(pooler))
        } else {
            (None, None)
        };
        let address = pooler.as_ref().map_or_else(|| cluster.address(), |pooler| pooler.address().to_owned());
        let front = DelayProxy::start(address).await.unwrap();
        let url = world.url_through(&front).unwrap();
        Self { cluster, world, front, behind, _pooler: pooler, url }
    }

    /// Connects a store through the network, with short limits.
    pub(crate) async fn connect(&self, connections: u32) -> rylie_db::Database {
        let connections = connections.to_string();
        let settings = [
            ("database_url", self.url.as_str()),
            ("behind_pooler", if self.behind.is_some() { "true" } else { "false" }),
            ("max_connections", &connections),
            ("acquire_timeout_seconds", "3"),
            ("statement_timeout_seconds", "2"),
            ("lock_timeout_seconds", "1"),
            ("network_timeout_seconds", "0.8"),
        ];
        self.world.connect_with_settings(&settings).await.unwrap()
    }

    /// Causes faults for this time, each kind at least once if there is time, and the death of the server at least once.
    /// Returns how often each was caused.
    pub(crate) async fn rage(&self, mut random: Random, time: Duration) -> BTreeMap<String, u32> {
        let (mut caused, began) = (BTreeMap::new(), tokio::time::Instant::now());
        let mut kinds = NETWORK.to_vec();
        if self.behind.is_some() {
            kinds.extend([Fault::CutBehind, Fault::CommitBehind]);
        }
        kinds.push(Fault::KillServer);
        while began.elapsed() < time || caused.len() < kinds.len() {
            let unused: Vec<_> = kinds.iter().filter(|kind| !caused.contains_key(&format!("{kind:?}"))).collect();
            let fault = if unused.is_empty() || random.below(2) == 0 {
                kinds[random.index(kinds.len())]
            } else {
                *unused[random.index(unused.len())]
            };
            *caused.entry(format!("{fault:?}")).or_insert(0) += 1;
            self.cause(fault, &mut random).await;
            sleep(Duration::from_millis(50 + random.below(200))).await;
        }
        caused
    }

    async fn cause(&self, fault: Fault, random: &mut Random) {
        let a_while = Duration::from_millis(50 + random.below(400));
        match fault {
            Fault::Delay => {
                self.front.delay_to_server(Duration::from_millis(random.below(30)));
                self.front.delay_to_client(Duration::from_millis(random.below(30)));
                sleep(a_while).await;
                self.front.delay_to_server(Duration::ZERO);
                self.front.delay_to_client(Duration::ZERO);
            }
            Fault::Bytes => {
                self.front.in_bytes(true);
                sleep(a_while).await;
                self.front.in_bytes(false);
            }
            Fault::Reset => self.front.reset().await,
            Fault::Sever => self.front.sever().await,
            Fault::Forget => self.front.forget(),
            Fault::Lose => {
                self.front.lose([Lost::ToServer, Lost::ToClient, Lost::Everything][random.index(3)]);
                sleep(a_while * 3).await;
                self.front.lose_nothing();
            }
            Fault::OnCommit => {
                let faults =
                    [OnCommit::CutBefore, OnCommit::SwallowBefore, OnCommit::CutAnswer, OnCommit::SwallowAnswer];
                self.front.on_commit(faults[random.index(4)]);
                sleep(a_while).await;
                self.front.on_commit(OnCommit::Pass);
            }
            Fault::EndSessions => {
                let sql = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity \
                     WHERE datname = current_database() AND pid <> pg_backend_pid()";
                Sql::connect(self.world.url()).await.one(sql).await;
            }
            // The pooler waits long for a silent server, by its own settings. Here its connections are cut.
            Fault::CutBehind => self.behind.as_ref().unwrap().sever().await,
            Fault::CommitBehind => {
                let behind = self.behind.as_ref().unwrap();
                behind.on_commit([OnCommit::CutBefore, OnCommit::CutAnswer][random.index(2)]);
                sleep(a_while).await;
                behind.on_commit(OnCommit::Pass);
            }
            Fault::KillServer => {
                self.cluster.crash().await.unwrap();
                sleep(a_while).await;
                self.cluster.start_again().await.unwrap();
            }
        }
    }
}
