//! A bank under faults: fifty accounts in five tenants, thirty-two tasks that transfer, cancelled callers, a faulty
//! network and a server that is killed. Nothing is lost, doubled or half done.
//!
//! An account is a request whose description is its balance. A transfer writes both accounts and one audit record in one
//! unit. `RYLIE_TEST_FAULT_SECONDS` sets the length.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rylie_db::Database;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, RequestChanges};
use tokio::sync::Mutex;

use super::nemesis::Nemesis;
use crate::support::audit::Outside;
use crate::support::seed::{Random, length, seed};
use crate::support::sql::Sql;

const TENANTS: usize = 5;
const ACCOUNTS: usize = 10;
const TASKS: u64 = 32;
const BALANCE: i64 = 100;
const MOST_RUNS: usize = 10;
/// The pool heals within this time after the last fault.
const HEALS: Duration = Duration::from_secs(5);

/// One tenant's accounts.
struct Branch {
    scope: TenantScope,
    accounts: Vec<RequestId>,
}

struct Bank {
    database: Database,
    branches: Vec<Branch>,
    transfers: AtomicU64,
    done: AtomicBool,
    reported: Mutex<Reported>,
}

/// The outcomes that callers got.
#[derive(Default)]
struct Reported {
    acknowledged: BTreeSet<String>,
    /// The caller was cancelled, or the commit was lost.
    unknown: BTreeSet<String>,
    /// Certainly not committed.
    failed: BTreeSet<String>,
    kinds: BTreeMap<String, u64>,
}

impl Reported {
    /// Enough of each kind for the audit to say something.
    fn has_enough(&self) -> bool {
        let count = |kind| self.kinds.get(kind).copied().unwrap_or_default();
        count("acknowledged") > 50 && count("cancelled") > 5 && count("unknown") > 0
    }
}

/// A transfer that a task chose.
#[derive(Clone)]
struct Transfer {
    id: String,
    branch: usize,
    from: usize,
    to: usize,
    amount: i64,
    in_part: bool,
}

impl Bank {
    async fn open(nemesis: &Nemesis) -> Arc<Self> {
        let mut branches = Vec::new();
        for _ in 0..TENANTS {
            let agency = nemesis.world.agency().await.unwrap();
            let unit = agency.unit().await.unwrap();
            let mut accounts = Vec::new();
            for number in 0..ACCOUNTS {
                let mut account = NewRequest::new(format!("account {number}"), RequestKind::Page);
                account.description = BALANCE.to_string();
                accounts.push(unit.requests().add(account).await.unwrap().id);
            }
            unit.commit().await.unwrap();
            branches.push(Branch { scope: agency.scope(), accounts });
        }
        let (transfers, done) = (AtomicU64::default(), AtomicBool::default());
        Arc::new(Self { database: nemesis.connect(8).await, branches, transfers, done, reported: Mutex::default() })
    }

    fn choose(&self, random: &mut Random) -> Transfer {
        let (branch, from) = (random.index(TENANTS), random.index(ACCOUNTS));
        let to = (from + 1 + random.index(ACCOUNTS - 1)) % ACCOUNTS;
        let amount = 1 + i64::try_from(random.below(20)).unwrap();
        let id = format!("transfer-{}", self.transfers.fetch_add(1, Ordering::Relaxed));
        Transfer { id, branch, from, to, amount, in_part: random.below(3) == 0 }
    }

    async fn transfer(&self, transfer: &Transfer) -> Result<(), Error> {
        let branch = &self.branches[transfer.branch];
        let unit = self.database.store().tenant(&branch.scope).await?;
        // In the order of the transfer, so that two can deadlock.
        let [from, to] = [transfer.from, transfer.to].map(|account| &branch.accounts[account]);
        let left: i64 = unit.requests().get_for_update(from).await?.description.parse().unwrap();
        if transfer.in_part {
            let part = unit.savepoint().await?;
            set(&*unit, from, -1).await?;
            part.undo().await?;
        }
        let there: i64 = unit.requests().get_for_update(to).await?.description.parse().unwrap();
        let part = unit.savepoint().await?;
        set(&*unit, from, left - transfer.amount).await?;
        set(&*unit, to, there + transfer.amount).await?;
        part.keep().await?;
        let moved = format!("{} {} {} {}", transfer.branch, transfer.from, transfer.to, transfer.amount);
        let event = Event::new(Action::Other("TRANSFERRED".into())).on_row("Account", transfer.id.as_str());
        unit.audit().record(event.with("moved", moved)).await?;
        unit.commit().await
    }

    /// Transfers until the end of the test; some callers give up.
    async fn work(&self, mut random: Random) {
        while !self.done.load(Ordering::Relaxed) {
            let transfer = self.choose(&mut random);
            let patience = if random.below(6) == 0 { random.below(40) } else { 60_000 };
            let policy = Retry { attempts: 3, ..Retry::default() };
            let work = retry(policy, || self.transfer(&transfer));
            let outcome = tokio::time::timeout(Duration::from_millis(patience), work).await;
            let mut reported = self.reported.lock().await;
            let kind = match outcome {
                Ok(Ok(())) => {
                    reported.acknowledged.insert(transfer.id);
                    "acknowledged".to_owned()
                }
                Ok(Err(Error::OutcomeUnknown(_))) => {
                    reported.unknown.insert(transfer.id);
                    "unknown".to_owned()
                }
                Err(_) => {
                    reported.unknown.insert(transfer.id);
                    "cancelled".to_owned()
                }
                Ok(Err(error)) => {
                    reported.failed.insert(transfer.id);
                    expected(&error)
                }
            };
            *reported.kinds.entry(kind).or_default() += 1;
        }
    }

    /// Every task transfers once more. Returns how long that took.
    async fn heals(self: &Arc<Self>, random: &mut Random) -> Duration {
        let began = Instant::now();
        let last = (0..TASKS).map(|_| {
            let (bank, mut random) = (Arc::clone(self), Random::new(random.below(u64::MAX)));
            tokio::spawn(async move {
                loop {
                    let transfer = bank.choose(&mut random);
                    let outcome = bank.transfer(&transfer).await;
                    let mut reported = bank.reported.lock().await;
                    match outcome {
                        Ok(()) => {
                            reported.acknowledged.insert(transfer.id);
                            return;
                        }
                        Err(Error::OutcomeUnknown(_)) => reported.unknown.insert(transfer.id),
                        Err(_) => reported.failed.insert(transfer.id),
                    };
                }
            })
        });
        for task in futures_util::future::join_all(last).await {
            task.unwrap();
        }
        began.elapsed()
    }

    /// Compares the database with the outcomes that callers got.
    async fn audit(&self, nemesis: &Nemesis) {
        let mut sql = Sql::connect(nemesis.world.url()).await;
        let records = sql
            .all("SELECT \"resourceId\" || ' ' || (details::json->>'moved') FROM \"AuditLog\" WHERE action = 'TRANSFERRED'")
            .await;
        let mut expected = vec![[BALANCE; ACCOUNTS]; TENANTS];
        let mut recorded = BTreeSet::new();
        for record in &records {
            let (id, moved) = record.split_once(' ').unwrap();
            assert!(recorded.insert(id.to_owned()), "{id} was done twice");
            let [branch, from, to, amount] =
                <[i64; 4]>::try_from(moved.split(' ').map(|number| number.parse().unwrap()).collect::<Vec<_>>())
                    .unwrap();
            let branch = &mut expected[usize::try_from(branch).unwrap()];
            branch[usize::try_from(from).unwrap()] -= amount;
            branch[usize::try_from(to).unwrap()] += amount;
        }
        for (branch, expected) in self.branches.iter().zip(expected) {
            for (account, expected) in branch.accounts.iter().zip(expected) {
                let sql_of = format!("SELECT description FROM \"Request\" WHERE id = '{account}'");
                assert_eq!(sql.one(&sql_of).await, expected.to_string(), "account {account}");
            }
        }
        let sums = "SELECT sum(description::bigint)::text FROM \"Request\" GROUP BY \"tenantId\"";
        let constant = (BALANCE * i64::try_from(ACCOUNTS).unwrap()).to_string();
        assert_eq!(sql.all(sums).await, vec![constant; TENANTS], "the sum of each tenant");

        let reported = self.reported.lock().await;
        let missing: Vec<_> = reported.acknowledged.difference(&recorded).collect();
        assert!(missing.is_empty(), "acknowledged and not there: {missing:?}");
        let undone: Vec<_> = reported.failed.intersection(&recorded).collect();
        assert!(undone.is_empty(), "reported as not done, and there: {undone:?}");
        let strange: Vec<_> = recorded
            .iter()
            .filter(|id| !reported.acknowledged.contains(*id) && !reported.unknown.contains(*id))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
        println!("{} recorded, of {:?}", recorded.len(), reported.kinds);
        assert!(reported.has_enough(), "{:?}", reported.kinds);

        let outside = Outside::new();
        assert!(outside.seal(&nemesis.world).await >= recorded.len() as u64);
        let verification = outside.verify(&nemesis.world).await;
        assert_eq!(verification.first_bad, None);
        assert!(verification.seen.records >= recorded.len() as u64);
    }
}

async fn set(unit: &dyn TenantUnit, account: &RequestId, balance: i64) -> Result<(), Error> {
    let changes = RequestChanges { description: Some(balance.to_string()), ..RequestChanges::default() };
    unit.requests().update(account, changes).await.map(drop)
}

/// Returns the name of an error that a caller under faults may get.
fn expected(error: &Error) -> String {
    match error {
        Error::ConnectionLost(_) => "connection lost",
        Error::Contention => "contention",
        Error::Timeout => "timeout",
        Error::PoolExhausted { .. } => "pool exhausted",
        other => panic!("{other:?}"),
    }
    .to_owned()
}

async fn the_bank_keeps_its_money(pooled: bool) {
    let mut random = Random::new(seed());
    let nemesis = Nemesis::new(pooled).await;
    let bank = Bank::open(&nemesis).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (bank, random) = (Arc::clone(&bank), Random::new(random.below(u64::MAX)));
            tokio::spawn(async move { bank.work(random).await })
        })
        .collect();

    let time = Duration::from_secs(length("RYLIE_TEST_FAULT_SECONDS", 12));
    let (mut caused, mut healed) = (Vec::new(), Duration::MAX);
    // On a busy machine one run may lose no answer to a commit, or wait for a processor while it heals.
    while caused.len() < MOST_RUNS && !(healed < HEALS && bank.reported.lock().await.has_enough()) {
        caused.push(nemesis.rage(Random::new(random.below(u64::MAX)), time).await);
        healed = bank.heals(&mut random).await;
    }
    bank.done.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }

    println!("caused {caused:?}, healed in {healed:.1?}");
    bank.audit(&nemesis).await;
    assert!(healed < HEALS, "{healed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_under_every_fault_loses_and_doubles_nothing() {
    the_bank_keeps_its_money(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_behind_a_pooler_under_every_fault_loses_and_doubles_nothing() {
    the_bank_keeps_its_money(true).await;
}
