//! Collects the results of attacks.

use std::fmt::{Debug, Display};

use super::report::{Attack, Layers, Outcome, Report};
use crate::Result;

/// The attacks of a run so far.
pub(super) struct Log {
    layers: Layers,
    seed: u64,
    attacks: Vec<Attack>,
}

impl Log {
    pub(super) fn new(layers: Layers, seed: u64) -> Self {
        Self { layers, seed, attacks: Vec::new() }
    }

    /// Records an attack. An unexpected failure proves nothing, so it does not count as held.
    pub(super) fn note(&mut self, name: impl Into<String>, seen: Result<Seen>) {
        let seen = seen.map_or_else(
            |error| vec![format!("the attack could not be carried out: {}", chain(&error))],
            |seen| seen.0,
        );
        let outcome = if seen.is_empty() { Outcome::Held } else { Outcome::Broke { seen } };
        self.attacks.push(Attack { name: name.into(), layers: self.layers, outcome });
    }

    pub(super) fn report(self) -> Report {
        Report::new(self.seed, self.attacks)
    }
}

/// Violations that an attack saw.
#[derive(Default)]
pub(super) struct Seen(Vec<String>);

impl Seen {
    pub(super) fn of(seen: Vec<String>) -> Self {
        Self(seen)
    }

    pub(super) fn add(&mut self, what: impl Into<String>) {
        self.0.push(what.into());
    }

    pub(super) fn unless(&mut self, holds: bool, what: impl Display) {
        if !holds {
            self.add(what.to_string());
        }
    }

    pub(super) fn same<T: Debug + PartialEq>(&mut self, what: &str, found: &T, expected: &T) {
        self.unless(found == expected, format_args!("{what}: {found:?} instead of {expected:?}"));
    }

    pub(super) fn refused<T>(&mut self, what: &str, result: &rylie_db::repositories::Result<T>) {
        let refused = matches!(result, Err(rylie_db::repositories::Error::Forbidden { .. }));
        self.unless(refused, format_args!("{what}: not refused"));
    }

    /// Records a violation unless another tenant's row gives exactly the answer for a missing row.
    pub(super) fn alike(&mut self, what: &str, foreign: &Answer, missing: &Answer) {
        self.unless(foreign == missing, format_args!("{what}: {foreign:?}, but {missing:?} for a missing row"));
        self.unless(!matches!(foreign, Answer::Something), format_args!("{what}: it was found or changed"));
    }
}

/// The answer of a call, as an attacker can distinguish it.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Something,
    Nothing,
    Refused(String),
}

impl Answer {
    /// Converts a result. `Ok(true)` means that the call revealed or changed a row.
    pub(super) fn of(result: rylie_db::repositories::Result<bool>) -> Self {
        match result {
            Ok(true) => Self::Something,
            Ok(false) => Self::Nothing,
            Err(error) => Self::Refused(format!("{error} ({error:?})")),
        }
    }
}

/// Returns the error message with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
