//! Rotates keys under load: four writers, and a re-encryption that is killed twenty times.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rylie_db::Database;
use rylie_db::entities::UserId;
use rylie_db::prelude::{Grant, Retry, Secret, Store, StoreExt, TenantScope, retry};
use rylie_db::repositories::{Error, NewGa4Connection};
use rylie_testkit::World;
use serde_json::Value;

use crate::support::{Folder, Outcome};

const WRITERS: usize = 4;
const USERS_A_WRITER: usize = 12;
/// Users without a writer. Writers move their own rows to the new key before the check.
const IDLE_USERS: usize = 60;
const USERS: usize = WRITERS * USERS_A_WRITER + IDLE_USERS;
const KILLS: usize = 20;
/// The minimum number of kills that must fall between the first and the last committed batch.
const AT_WORK: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_four_writers_and_twenty_kills_loses_nothing_on_sqlite() {
    rotate_under_fire(World::sqlite().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_four_writers_and_twenty_kills_loses_nothing_on_postgres() {
    rotate_under_fire(World::postgres().await.unwrap()).await;
}

async fn rotate_under_fire(world: World) {
    let mut rng = SeededRng::new();
    let folder = Folder::new();
    let mut acknowledged = BTreeMap::new();
    for _ in 0..IDLE_USERS {
        let scope = world.user().build().await.unwrap().scope();
        save(world.store(), &scope, "idle").await.unwrap();
        acknowledged.insert(scope.user().id().clone(), "idle".to_owned());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let mut scopes = Vec::new();
        for _ in 0..USERS_A_WRITER {
            scopes.push(world.user().build().await.unwrap().scope());
        }
        writers.push(tokio::spawn(write(world.database().clone(), scopes, number, Arc::clone(&stop))));
    }

    let (mut kills, mut at_work, mut runs) = (0, 0, 0);
    while kills < KILLS || at_work < AT_WORK {
        // The writers get no signal: they detect the rotation.
        run(&world, &folder, &["keys", "rotate"]).expect(0);
        let before = reencrypted(&world).await;
        let mut child = start(&world, &folder, &["keys", "reencrypt", "--batch", "2"]);
        tokio::time::sleep(rng.pause()).await;
        let killed = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        let worked = reencrypted(&world).await > before;
        rng.learn(killed, worked);
        kills += usize::from(killed);
        at_work += usize::from(killed && worked);
        runs += 1;
        assert!(runs < 10 * KILLS, "{kills} kills, only {at_work} during the re-encryption");
    }

    // Complete the re-encryption while the writers still run.
    run(&world, &folder, &["keys", "reencrypt"]).expect(0);
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    run(&world, &folder, &["keys", "reencrypt"]).expect(0);

    assert_eq!(acknowledged.len(), USERS);
    assert_nothing_lost(&world, &acknowledged).await;
    assert_only_the_active_key_is_left(&world, &folder);
}

/// Saves the connections of its users one after another, and remembers the last acknowledged values.
async fn write(
    database: Database,
    scopes: Vec<TenantScope>,
    number: usize,
    stop: Arc<AtomicBool>,
) -> BTreeMap<UserId, String> {
    let mut acknowledged = BTreeMap::new();
    let mut round = 0;
    while !stop.load(Ordering::SeqCst) || round == 0 {
        for scope in &scopes {
            let token = format!("writer-{number}-round-{round}");
            let work = || save(database.store(), scope, &token);
            retry(Retry { attempts: 100, ..Retry::default() }, work).await.unwrap();
            acknowledged.insert(scope.user().id().clone(), token);
            tokio::task::yield_now().await;
        }
        round += 1;
    }
    acknowledged
}

async fn save(store: Arc<dyn Store>, scope: &TenantScope, token: &str) -> Result<(), Error> {
    let unit = store.tenant(scope).await?;
    let new = NewGa4Connection {
        user: None,
        access_token: Secret::from(token),
        refresh_token: Some(Secret::from(token)),
        expires: None,
        property_id: None,
        property_name: None,
    };
    unit.ga4_connections().save(new).await?;
    unit.commit().await
}

async fn assert_nothing_lost(world: &World, acknowledged: &BTreeMap<UserId, String>) {
    let unit = world.store().platform(Grant::job("test", "opens everything").unwrap()).await.unwrap();
    for (user, token) in acknowledged {
        let opened = unit.ga4_connections().open_tokens(user).await.unwrap().unwrap();
        assert_eq!(opened.access.expose(), token, "{user}");
        assert_eq!(opened.refresh.unwrap().expose(), token, "{user}");
    }
}

fn assert_only_the_active_key_is_left(world: &World, folder: &Folder) {
    let report = run(world, folder, &["keys", "report", "--json"]).expect(0).json();
    let keys = run(world, folder, &["keys", "list", "--json"]).expect(0).json();
    let keys = keys["keys"].as_array().unwrap();
    let of =
        |state: &str| keys.iter().filter(|key| key["state"] == state).map(|key| key["id"].as_str().unwrap()).collect();
    let (active, old): (Vec<&str>, Vec<&str>) = (of("active"), of("decrypt-only"));
    assert!(old.len() >= KILLS);

    for column in ["GA4Connection.accessToken", "GA4Connection.refreshToken"] {
        let counts = &report["columns"][column];
        assert_eq!(counts[active[0]], Value::from(USERS), "{report:#}");
        assert_eq!(counts["unreadable"], Value::from(0), "{report:#}");
        assert!(old.iter().all(|key| counts.get(key).is_none_or(|values| *values == 0)), "{report:#}");
    }
    run(world, folder, &["keys", "destroy", active[0]]).expect(4);
    for key in old {
        run(world, folder, &["keys", "destroy", key]).expect(0);
    }
    run(world, folder, &["keys", "reencrypt"]).expect(0);
}

/// Counts the committed batches. Opening a platform unit writes, so it may lose against the writers and is retried.
async fn reencrypted(world: &World) -> u64 {
    use rylie_db::prelude::PageRequest;
    use rylie_db::repositories::AuditFilter;
    let count = async || {
        let unit = world.store().platform(Grant::job("test", "counts batches")?).await?;
        let filter = AuditFilter { action: Some("SECRETS_REENCRYPTED".to_owned()), ..AuditFilter::default() };
        Ok::<_, Error>(unit.audit().list(filter, PageRequest::default()).await?.total)
    };
    retry(Retry { attempts: 100, ..Retry::default() }, count).await.unwrap()
}

fn run(world: &World, folder: &Folder, arguments: &[&str]) -> Outcome {
    Outcome::of(start(world, folder, arguments).wait_with_output().unwrap())
}

fn start(world: &World, folder: &Folder, arguments: &[&str]) -> Child {
    use std::process::Stdio;
    let mut command = folder.command(arguments);
    command.env("DATABASE_URL", world.url()).env("RYLIE_KEYRING", world.keyring());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Random lifetimes of a re-encryption, from a printed seed (xorshift64, Marsaglia 2003). Their maximum adapts to the
/// speed of the machine.
struct SeededRng {
    state: u64,
    span: u64,
}

impl SeededRng {
    fn new() -> Self {
        let any = || RandomState::new().build_hasher().finish() | 1;
        let state = std::env::var("RYLIE_TEST_SEED").ok().map_or_else(any, |seed| seed.parse().unwrap());
        println!("RYLIE_TEST_SEED={state}");
        Self { state, span: 400 }
    }

    fn pause(&mut self) -> Duration {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        Duration::from_millis(self.state % self.span)
    }

    fn learn(&mut self, killed: bool, worked: bool) {
        if !killed {
            self.span = (self.span * 2 / 3).max(50);
        } else if !worked {
            self.span = (self.span * 5 / 4).min(30_000);
        }
    }
}
