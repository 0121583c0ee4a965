//! Runs a unit again when the database requires it.

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::Error;

tokio::task_local! {
    static RUNS_AGAIN: bool;
}

/// How often work is attempted, and the pauses between attempts.
///
/// The pause before attempt n is random, between zero and `first_pause`·2ⁿ⁻², at most `longest_pause`. Random pauses
/// keep transactions that conflicted from conflicting again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Retry {
    /// The maximum number of attempts, including the first; 5.
    pub attempts: u32,
    /// The longest pause before the second attempt; 20 milliseconds.
    pub first_pause: Duration,
    /// The maximum pause; 1 second.
    pub longest_pause: Duration,
    /// The time from the first attempt within which a failure is followed by another one; without end. A failure after a
    /// wait has used up a limit, and others wait in the same queue.
    pub within: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 5,
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_secs(1),
            within: Duration::MAX,
        }
    }
}

/// An error that states whether running the whole work again is safe and may help.
pub trait Retryable {
    /// Returns whether a retry is safe. Never true if it is unknown whether the work took effect.
    fn is_retryable(&self) -> bool;
}

impl Retryable for Error {
    fn is_retryable(&self) -> bool {
        Self::is_retryable(self)
    }
}

/// Runs `work`, which opens a unit and commits it, until it succeeds, fails permanently, or has used all attempts.
///
/// From the second attempt on, units open on the primary, so that an error of a replica does not repeat. Effects
/// outside the unit are not undone between attempts. [`Error::OutcomeUnknown`] is never retried: the work may have
/// taken effect.
///
/// ```no_run
/// # use rylie_connection::{Error, Retry, retry};
/// # async fn add_a_page() -> Result<(), Error> { Ok(()) }
/// # async fn example() -> Result<(), Error> {
/// retry(Retry::default(), || async { add_a_page().await }).await
/// # }
/// ```
pub async fn retry<T, E, W>(policy: Retry, work: impl Fn() -> W) -> Result<T, E>
where
    E: Retryable,
    // Not `AsyncFn`: its future cannot be spawned if it borrows.
    W: Future<Output = Result<T, E>>,
{
    let (began, mut attempt) = (Instant::now(), 1);
    loop {
        match RUNS_AGAIN.scope(attempt > 1, work()).await {
            Err(error) if error.is_retryable() && attempt < policy.attempts && began.elapsed() < policy.within => {
                let pause = policy.pause_after(attempt);
                tracing::debug!(attempt, ?pause, "running a unit again");
                tokio::time::sleep(pause).await;
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// Returns whether this is an attempt of [`retry`] after the first.
pub(crate) fn runs_again() -> bool {
    RUNS_AGAIN.try_with(|again| *again).unwrap_or(false)
}

impl Retry {
    fn pause_after(&self, attempt: u32) -> Duration {
        let longest = self.first_pause.saturating_mul(2_u32.saturating_pow(attempt - 1)).min(self.longest_pause);
        longest.mul_f64(random_fraction())
    }
}

/// Returns a number from 0 to 1; 0.5 if the system provides no randomness.
fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_are_capped_and_differ() {
        let policy = Retry { attempts: 100, ..Retry::default() };
        let pauses: Vec<_> = (1..100).map(|attempt| policy.pause_after(attempt)).collect();

        assert!(pauses[0] <= policy.first_pause);
        assert!(pauses.iter().all(|pause| *pause <= policy.longest_pause));
        assert!(pauses.windows(2).any(|two| two[0] != two[1]));
    }
}
