//! Many concurrent callers on few connections. Some cancel, fail or panic; no caller may see another's state.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rylie_db::Database;
use rylie_db::prelude::{NewRequest, RequestFilter, RequestId, Store, StoreExt, TenantScope};
use rylie_db::repositories::{Error as StoreError, KeysetRequest};
use tokio::task::JoinSet;

use super::fixture::{Fixture, Side, new_request};
use super::log::{Log, Seen};
use super::raw::Raw;
use super::seed::SeededRng;
use crate::{Result, World};

const CALLERS: u64 = 200;
const CONNECTIONS: u32 = 4;

/// How a caller's unit ends.
#[derive(Clone, Copy)]
enum End {
    Commit,
    Drop,
    /// A call fails, so the unit cannot be committed.
    Fail,
    Panic,
    /// The caller is cancelled after this many tenths of a millisecond.
    Cancel(u64),
}

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log, seed: u64) {
    log.note("a unit sees no state of the previous unit on its connection, however that ended", in_turn(fixture).await);
    let held = concurrency(fixture, &mut SeededRng::new(seed)).await;
    log.note("two hundred callers on four connections, cancelled at random, see only their own rows", held);
}

/// A caller's input. It is owned because callers are tasks.
#[derive(Clone)]
struct Caller {
    store: Arc<dyn Store>,
    scope: TenantScope,
    own_request: RequestId,
    foreign_request: RequestId,
    title: String,
}

impl Caller {
    fn new(database: &Database, own: &Side<'_>, foreign: &Side<'_>, number: u64) -> Self {
        Self {
            store: database.store(),
            scope: own.scope(),
            own_request: own.request.id.clone(),
            foreign_request: foreign.request.id.clone(),
            title: format!("crowd {number}"),
        }
    }

    /// Returns `true` once a commit is acknowledged.
    async fn work(self, end: End) -> Result<bool, StoreError> {
        let unit = self.store.tenant(&self.scope).await?;
        self.sees_its_own(&*unit).await?;
        unit.requests().add(NewRequest { title: self.title.clone(), ..new_request("") }).await?;
        self.sees_its_own(&*unit).await?;
        match end {
            End::Commit | End::Cancel(_) => return unit.commit().await.map(|()| true),
            // A panic inside a savepoint is the worst case.
            End::Panic => {
                let _savepoint = unit.savepoint().await?;
                std::panic::resume_unwind(Box::new("a caller's panic"));
            }
            End::Fail => drop(unit.requests().get(&self.foreign_request).await),
            End::Drop => {}
        }
        Ok(false)
    }

    /// Returns an error for a missing or foreign row. An error is the only output of a caller.
    async fn sees_its_own(&self, unit: &dyn rylie_db::prelude::TenantUnit) -> Result<(), StoreError> {
        let own = unit.requests().find(&self.own_request).await?.is_some();
        let foreign = unit.requests().find(&self.foreign_request).await?.is_some();
        if own && !foreign { Ok(()) } else { Err(StoreError::Forbidden { action: FOREIGN }) }
    }
}

const FOREIGN: &str = "see another tenant's row, or miss an own row";

/// Uses one connection, so each unit reuses that of the previous one.
async fn in_turn(fixture: &Fixture<'_>) -> Result<Seen> {
    let (database, mut seen) = (fixture.world().connect_again(1).await?, Seen::default());
    let sides = [&fixture.victim, &fixture.attacker];
    let ends = [End::Commit, End::Drop, End::Fail, End::Panic, End::Cancel(0), End::Cancel(5), End::Cancel(20)];
    for (turn, end) in ends.into_iter().enumerate() {
        for (own, foreign) in [(sides[turn % 2], sides[1 - turn % 2]), (sides[1 - turn % 2], sides[turn % 2])] {
            let caller = Caller::new(&database, own, foreign, turn as u64);
            let mut tasks = JoinSet::new();
            tasks.spawn(call(caller, end));
            while let Some(ended) = tasks.join_next().await {
                hear(&mut seen, ended.ok().map(|(_, outcome)| outcome).as_ref());
            }
        }
    }
    database.close().await;
    Ok(seen)
}

async fn concurrency(fixture: &Fixture<'_>, rng: &mut SeededRng) -> Result<Seen> {
    let (database, mut seen) = (fixture.world().connect_again(CONNECTIONS).await?, Seen::default());
    let sides = [&fixture.victim, &fixture.attacker];
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let side = usize::from(rng.below(2) == 1);
        let end = match rng.below(8) {
            0..3 => End::Commit,
            3 => End::Drop,
            4 => End::Fail,
            5 => End::Panic,
            _ => End::Cancel(rng.below(400)),
        };
        callers.spawn(call(Caller::new(&database, sides[side], sides[1 - side], number), end));
    }
    let mut acknowledged = BTreeSet::new();
    while let Some(ended) = callers.join_next().await {
        // A caller that panicked has no outcome.
        let Ok((caller, outcome)) = ended else { continue };
        hear(&mut seen, Some(&outcome));
        if matches!(outcome, Some(Ok(true))) {
            acknowledged.insert((caller.scope.tenant().clone(), caller.title));
        }
    }
    seen.unless(!acknowledged.is_empty(), "no caller committed");
    for side in sides {
        let kept = titles(side).await?;
        let lost =
            acknowledged.iter().filter(|(tenant, title)| tenant.as_str() == side.tenant() && !kept.contains(title));
        seen.same("acknowledged writes that are lost", &lost.count(), &0);
    }
    if fixture.world().is_postgres() {
        seen.same("connections left inside a transaction", &left_open(fixture.world()).await?, &0);
    }
    database.close().await;
    Ok(seen)
}

/// Returns `None` for a cancelled caller.
async fn call(caller: Caller, end: End) -> (Caller, Option<Result<bool, StoreError>>) {
    let work = caller.clone().work(end);
    let outcome = match end {
        End::Cancel(tenths) => tokio::time::timeout(Duration::from_micros(tenths * 100), work).await.ok(),
        _ => Some(work.await),
    };
    (caller, outcome)
}

fn hear(seen: &mut Seen, outcome: Option<&Option<Result<bool, StoreError>>>) {
    if let Some(Some(Err(error))) = outcome {
        seen.add(format!("a caller: {}", super::log::chain(error)));
    }
}

async fn titles(side: &Side<'_>) -> Result<BTreeSet<String>> {
    let (unit, mut titles, mut page) = (side.unit().await?, BTreeSet::new(), KeysetRequest::first(100));
    loop {
        let found = unit.requests().list_after(RequestFilter::default(), page).await?;
        titles.extend(found.items.into_iter().map(|request| request.title));
        let Some(next) = found.next else { return Ok(titles) };
        page = KeysetRequest::after(100, next);
    }
}

/// Counts connections idle in a transaction. A dropped unit rolls back later, so this waits up to five seconds for
/// outstanding rollbacks.
async fn left_open(world: &World) -> Result<u64> {
    let mut raw = Raw::connect(world.url()).await?;
    let sql = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
               AND state LIKE 'idle in transaction%'";
    let mut open = raw.texts(sql).await?.len();
    for _ in 0..100 {
        if open == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        open = raw.texts(sql).await?.len();
    }
    Ok(open as u64)
}
