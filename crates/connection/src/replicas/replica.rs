//! One replica: its state and its replay position.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::log::PrimaryLog;
use super::look::Identity;
use crate::error::Error;
use crate::log_position::LogPosition;
use crate::pool::Pool;

/// The state of a replica.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ReplicaStatus {
    /// Its index in the configuration, from 1.
    pub number: usize,
    /// Whether units are sent to it.
    pub serving: bool,
    /// The maximum age of its data; `None` if unknown or over the limit.
    pub behind: Option<Duration>,
    /// Why no units are sent to it; empty if they are.
    pub reason: String,
}

/// A replica with its state at the last probe.
pub(super) struct Replica {
    pub(super) number: usize,
    state: Mutex<State>,
}

enum State {
    In(ReplicaState),
    Out { reason: String },
}

#[derive(Clone)]
pub(super) struct ReplicaState {
    pub(super) pool: Pool,
    pub(super) identity: Identity,
    pub(super) replayed: LogPosition,
}

/// A replica's pool that may serve a unit.
pub(super) struct Candidate {
    pub(super) replica: usize,
    pub(super) pool: Pool,
    /// The replayed position that qualified it.
    pub(super) replayed: LogPosition,
}

impl Replica {
    pub(super) fn new(number: usize) -> Self {
        Self { number, state: Mutex::new(State::Out { reason: "it has not been probed yet".to_owned() }) }
    }

    /// Returns the replica's state if it serves, has replayed `after` and shows nothing older than `max_lag`.
    pub(super) fn fit(
        &self,
        after: LogPosition,
        log: &PrimaryLog,
        max_lag: Duration,
        row_level_security: bool,
    ) -> Option<ReplicaState> {
        match &*self.state() {
            State::In(standing)
                if standing.unfit(log, max_lag, row_level_security).is_none() && standing.replayed >= after =>
            {
                Some(standing.clone())
            }
            _ => None,
        }
    }

    /// Returns the pool, even if it may not serve the unit; `None` while the replica is out of service.
    pub(super) fn pool(&self) -> Option<Pool> {
        match &*self.state() {
            State::In(standing) => Some(standing.pool.clone()),
            State::Out { .. } => None,
        }
    }

    /// Puts the replica into service, or updates its replay position.
    pub(super) fn serve(&self, standing: ReplicaState) {
        let before = std::mem::replace(&mut *self.state(), State::In(standing));
        if matches!(before, State::Out { .. }) {
            tracing::info!(replica = self.number, "a replica serves reads");
        }
    }

    /// Takes the replica out of service until a probe succeeds.
    pub(super) fn take_out(&self, why: &Error) {
        let reason = chain(why);
        let before = std::mem::replace(&mut *self.state(), State::Out { reason: reason.clone() });
        if matches!(before, State::In(_)) {
            tracing::warn!(replica = self.number, reason, "a replica is out of service; reads go to the primary");
        }
    }

    pub(super) fn status(&self, log: &PrimaryLog, max_lag: Duration, row_level_security: bool) -> ReplicaStatus {
        let (behind, unfit) = match &*self.state() {
            State::In(standing) => {
                (standing.behind(log), standing.unfit(log, max_lag, row_level_security).map(str::to_owned))
            }
            State::Out { reason } => (None, Some(reason.clone())),
        };
        ReplicaStatus { number: self.number, serving: unfit.is_none(), behind, reason: unfit.unwrap_or_default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReplicaState {
    fn unfit(&self, log: &PrimaryLog, max_lag: Duration, row_level_security: bool) -> Option<&'static str> {
        if self.pool.has_row_level_security() != row_level_security {
            return Some("its login and the primary's differ in row-level security; use logins with the same roles");
        }
        // The primary may have changed since the probe.
        if let Some(differs) = log.identity().and_then(|primary| self.identity.differs(primary)) {
            return Some(differs);
        }
        let fresh = self.behind(log).is_some_and(|behind| behind <= max_lag);
        if fresh { None } else { Some("it lags behind the primary by more than the limit") }
    }

    fn behind(&self, log: &PrimaryLog) -> Option<Duration> {
        log.shown_by(self.replayed).map(|shown| Instant::now().duration_since(shown))
    }
}

fn chain(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
