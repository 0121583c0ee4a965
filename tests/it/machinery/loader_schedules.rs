//! Model checking of the loader: every order in which its callers can be polled or dropped, and every read that can fail.
//! The code under test is the real one; only the store is a mock whose reads wait once.

use std::panic::Location;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use async_trait::async_trait;
use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MockRequestRepository, MockTenantUnit, OperationsUnit};

const CALLERS: usize = 3;

/// A call site, as the store gets it.
type At = &'static Location<'static>;

/// A store of which each read waits once, and one may fail.
struct Slow {
    reads: AtomicUsize,
    /// The number of the read that fails.
    fails: Option<usize>,
}

/// Ready at the second poll.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[async_trait]
impl Store for Slow {
    async fn open_tenant(&self, _: &TenantScope, _: UnitOptions, _: At) -> Result<Box<dyn TenantUnit>, Error> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        Once(false).await;
        if self.fails == Some(read) {
            return Err(Error::Contention);
        }
        let mut requests = MockRequestRepository::default();
        requests.expect_find_many().returning(|ids| Ok(ids.iter().map(|id| Request::for_tests(id.as_str())).collect()));
        Ok(Box::new(MockTenantUnit { requests, ..MockTenantUnit::default() }))
    }

    async fn open_identity(&self, _: At) -> Result<Box<dyn IdentityUnit>, Error> {
        unreachable!("a loader reads in tenant units")
    }

    async fn open_platform(&self, _: Grant, _: UnitOptions, _: At) -> Result<Box<dyn PlatformUnit>, Error> {
        unreachable!("a loader reads in tenant units")
    }

    async fn open_operations(&self, _: At) -> Result<Box<dyn OperationsUnit>, Error> {
        unreachable!("a loader reads in tenant units")
    }
}

/// Whether a caller was woken since its last poll.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Choice {
    Poll(usize),
    Drop(usize),
}

/// The choices of a run, and where another one was possible.
#[derive(Default)]
struct Schedule {
    taken: Vec<usize>,
    possible: Vec<usize>,
}

impl Schedule {
    /// Takes the next choice: the one of the plan, or the first.
    fn choose(&mut self, plan: &[usize], count: usize) -> usize {
        let number = plan.get(self.taken.len()).copied().unwrap_or(0);
        self.taken.push(number);
        self.possible.push(count);
        number
    }

    /// Returns the plan of the next run: the last choice that has another possibility is changed.
    fn next(mut self) -> Option<Vec<usize>> {
        while let (Some(taken), Some(possible)) = (self.taken.pop(), self.possible.pop()) {
            if taken + 1 < possible {
                self.taken.push(taken + 1);
                return Some(self.taken);
            }
        }
        None
    }
}

/// Runs one schedule and checks what its callers got.
fn run(plan: &[usize], fails: Option<usize>, most_drops: usize) -> Schedule {
    let store = Arc::new(Slow { reads: AtomicUsize::new(0), fails });
    let user = SignedInUser::for_tests("u".parse().unwrap(), UserRole::User, None);
    let scope = TenantScope::of(&user, Origin::default());
    let loader = Loader::<Request>::new(Arc::clone(&store) as Arc<dyn Store>, scope);
    let woken: Vec<_> = (0..CALLERS).map(|_| Arc::new(Woken(AtomicBool::new(true)))).collect();
    let id = |caller: usize| format!("r{}", caller % 2).parse::<RequestId>().unwrap();
    let mut callers: Vec<_> = (0..CALLERS).map(|caller| Some(Box::pin(loader.find(id(caller))))).collect();
    let (mut schedule, mut trace, mut dropped, mut errors) = (Schedule::default(), Vec::new(), 0, 0);
    while callers.iter().any(Option::is_some) {
        let waiting = (0..CALLERS).filter(|caller| callers[*caller].is_some());
        let ready = waiting.clone().filter(|caller| woken[*caller].0.load(Ordering::Relaxed)).map(Choice::Poll);
        let mut choices: Vec<_> = ready.collect();
        assert!(!choices.is_empty(), "nobody is woken any more: {trace:?}");
        if dropped < most_drops {
            choices.extend(waiting.map(Choice::Drop));
        }
        let choice = choices[schedule.choose(plan, choices.len())];
        trace.push(choice);
        match choice {
            Choice::Drop(caller) => {
                callers[caller] = None;
                dropped += 1;
            }
            Choice::Poll(caller) => {
                woken[caller].0.store(false, Ordering::Relaxed);
                let waker = Waker::from(Arc::clone(&woken[caller]));
                let polled = callers[caller].as_mut().unwrap().as_mut().poll(&mut Context::from_waker(&waker));
                let Poll::Ready(found) = polled else { continue };
                callers[caller] = None;
                match found {
                    Ok(row) => assert_eq!(row.map(|row| row.id), Some(id(caller)), "{trace:?}"),
                    Err(Error::Contention) if fails.is_some() => errors += 1,
                    Err(other) => panic!("{other:?}: {trace:?}"),
                }
            }
        }
    }
    assert!(errors <= 1, "a failed read fails for its caller alone: {trace:?}");
    assert!(store.reads.load(Ordering::Relaxed) <= CALLERS + dropped + errors, "{trace:?}");
    schedule
}

#[test]
fn no_schedule_of_callers_makes_the_loader_hang_or_mix_up_rows() {
    let (mut schedules, deepest) = (0_u64, Mutex::new(0));
    for (fails, most_drops) in [(None, 0), (None, 2), (Some(0), 0), (Some(0), 1), (Some(1), 1)] {
        let mut plan = Some(Vec::new());
        while let Some(current) = plan {
            let schedule = run(&current, fails, most_drops);
            schedules += 1;
            let mut deepest = deepest.lock().unwrap();
            *deepest = schedule.taken.len().max(*deepest);
            plan = schedule.next();
        }
    }
    println!("{schedules} schedules, the longest of {} steps", deepest.lock().unwrap());
    assert!(schedules > 1_000, "{schedules}");
}
