//! One replica: whether it serves, and how far it has come.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::log::PrimaryLog;
use super::look::Identity;
use crate::error::Error;
use crate::log_position::LogPosition;
use crate::pool::Pool;

/// How a replica does.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ReplicaStatus {
    /// Its place in the configuration, from 1.
    pub number: usize,
    /// Whether units are sent to it.
    pub serving: bool,
    /// How old at the most is what it shows; `None` if that is not known, or longer than the limit.
    pub behind: Option<Duration>,
    /// Why no units are sent to it; empty where they are.
    pub reason: String,
}

/// A replica as it was last seen.
pub(super) struct Replica {
    pub(super) number: usize,
    state: Mutex<State>,
}

enum State {
    In(Standing),
    Out { reason: String },
}

#[derive(Clone)]
pub(super) struct Standing {
    pub(super) pool: Pool,
    pub(super) identity: Identity,
    pub(super) replayed: LogPosition,
}

/// A pool that is fit for a unit.
pub(super) struct Fit {
    pub(super) replica: usize,
    pub(super) pool: Pool,
    /// What makes it fit.
    pub(super) replayed: LogPosition,
}

impl Replica {
    pub(super) fn new(number: usize) -> Self {
        Self { number, state: Mutex::new(State::Out { reason: "it was not looked at yet".to_owned() }) }
    }

    /// How it stands, if the replica serves, has replayed `after` and shows nothing older than `max_lag`.
    pub(super) fn fit(&self, after: LogPosition, log: &PrimaryLog, max_lag: Duration, walls: bool) -> Option<Standing> {
        match &*self.state() {
            State::In(standing) if standing.unfit(log, max_lag, walls).is_none() && standing.replayed >= after => {
                Some(standing.clone())
            }
            _ => None,
        }
    }

    /// The pool, whether or not it is fit; `None` while the replica is out.
    pub(super) fn pool(&self) -> Option<Pool> {
        match &*self.state() {
            State::In(standing) => Some(standing.pool.clone()),
            State::Out { .. } => None,
        }
    }

    /// Lets it serve, or notes how far it has come.
    pub(super) fn serve(&self, standing: Standing) {
        let before = std::mem::replace(&mut *self.state(), State::In(standing));
        if matches!(before, State::Out { .. }) {
            tracing::info!(replica = self.number, "a replica serves reads");
        }
    }

    /// Sends no more units to it, until it is looked at and found well.
    pub(super) fn take_out(&self, why: &Error) {
        let reason = chain(why);
        let before = std::mem::replace(&mut *self.state(), State::Out { reason: reason.clone() });
        if matches!(before, State::In(_)) {
            tracing::warn!(replica = self.number, reason, "a replica is left; reads go to the primary");
        }
    }

    pub(super) fn status(&self, log: &PrimaryLog, max_lag: Duration, walls: bool) -> ReplicaStatus {
        let (behind, unfit) = match &*self.state() {
            State::In(standing) => (standing.behind(log), standing.unfit(log, max_lag, walls).map(str::to_owned)),
            State::Out { reason } => (None, Some(reason.clone())),
        };
        ReplicaStatus { number: self.number, serving: unfit.is_none(), behind, reason: unfit.unwrap_or_default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn unfit(&self, log: &PrimaryLog, max_lag: Duration, walls: bool) -> Option<&'static str> {
        if self.pool.has_row_level_security() != walls {
            return Some("its login is not bound by row-level security as the primary's is");
        }
        // The primary may be another one by now.
        if let Some(differs) = log.identity().and_then(|primary| self.identity.differs(primary)) {
            return Some(differs);
        }
        let fresh = self.behind(log).is_some_and(|behind| behind <= max_lag);
        if fresh { None } else { Some("it is further behind than the limit") }
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
