//! Model checks of the state machines that many callers share: the connection cache, savepoints, and the scheduler's
//! lease.
//!
//! The code under test is the real one: the build copies its files and replaces the runtime, the driver and the clock by
//! those of this crate. [shuttle](https://docs.rs/shuttle) runs each scenario many times, in other orders of its steps. The
//! schedule also chooses each time limit, error and caller that gives up.
//!
//! Each property also has mutants: the same code with one rule removed. A test fails if a mutant is not found.
//! `RYLIE_TEST_SEED` repeats a run, `RYLIE_TEST_SCHEDULES` sets the number of schedules.
#![cfg(test)]
// The copies have what their originals need elsewhere.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::pedantic, clippy::expect_used)]

mod cache;
mod lease;
mod sqlx;
mod sync;
mod time;
mod tokio;
mod unit;

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

thread_local! {
    /// The mutant that is on. All tasks of a run share one thread.
    static MUTANT: Cell<&'static str> = const { Cell::new("") };
}

fn mutated(name: &str) -> bool {
    MUTANT.get() == name
}

/// Returns true once in `of` times, as the schedule chooses.
fn chance(of: u32) -> bool {
    number(of) == 0
}

fn number(below: u32) -> u32 {
    use shuttle::rand::Rng;
    shuttle::rand::thread_rng().gen_range(0..below)
}

/// Polls the future once.
async fn polled<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Runs the scenario in many orders: half of them random, half with few changes of the running task.
fn check(scenario: fn(), schedules: usize) {
    let seed = setting("RYLIE_TEST_SEED").unwrap_or_else(|| {
        use std::hash::{BuildHasher, Hasher};
        std::hash::RandomState::new().build_hasher().finish()
    });
    println!("RYLIE_TEST_SEED={seed}");
    let config = || {
        let mut config = Config::new();
        config.stack_size = 0x1_0000;
        config
    };
    Runner::new(RandomScheduler::new_from_seed(seed, schedules / 2), config()).run(scenario);
    Runner::new(PctScheduler::new_from_seed(seed, 3, schedules / 2), config()).run(scenario);
}

/// Checks that the scenario holds, and that it does not hold without any one rule.
fn check_with_mutants(scenario: fn(), mutants: &[&'static str]) {
    let schedules = usize::try_from(setting("RYLIE_TEST_SCHEDULES").unwrap_or(4000)).unwrap();
    check(scenario, schedules);
    for mutant in mutants {
        println!("mutant: {mutant}");
        MUTANT.set(mutant);
        let found = catch_unwind(AssertUnwindSafe(|| check(scenario, 20 * schedules))).is_err();
        MUTANT.set("");
        assert!(found, "nobody noticed that {mutant}");
    }
}
