//! Facts from outside the engine.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::data::DoctorData;
use super::report::Outcome;

/// Facts from outside the engine: the settings of the application, and the checks of other crates.
#[derive(Clone, Debug, Default)]
pub struct DoctorFacts {
    /// The present time.
    pub at: DateTime<Utc>,
    /// Outcomes by the id of their check.
    pub outcomes: BTreeMap<&'static str, Outcome>,
    /// Names of the indexes that the migrations create.
    pub own_indexes: BTreeSet<String>,
    /// Names of the functions that the migrations create, without arguments.
    pub own_functions: BTreeSet<String>,
    /// Quotas by package: pages, posts, profile posts, improvements.
    pub quotas: Vec<(&'static str, [i64; 4])>,
    /// The ids of the keyring's keys, the active one first; `None` without a keyring.
    pub keys: Option<Vec<String>>,
    /// Measurements of other crates.
    pub data: DoctorData,
}
