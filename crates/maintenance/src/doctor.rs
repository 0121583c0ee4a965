//! The diagnosis of a database: checks with thresholds, evidence and fixes, grouped under their root causes.
//!
//! Reads only, except for the isolation probe, whose writes are refused or rolled back. A check that could not be made
//! is reported as not checked, never as healthy.

mod activity;
mod application;
mod check;
mod data;
mod facts;
mod fix;
mod isolation;
mod options;
mod queries;
mod report;
mod root_cause;
mod run;
mod server;
mod session;
mod session_control;
mod shardable;
mod since;
mod sqlite;
mod tables;

use crate::doctor::check::CheckSpec;

pub use activity::pool_outcome;
pub use check::WHOLE_DATABASE;

pub use application::{AlertTarget, alert_target_outcome, backup_outcomes, job_outcomes, reach};
pub use data::{BackupPoint, DoctorData, JobPoint, SizePoint, SlowStatement, TenantCost, TenantWork, WaitEdge};
pub use facts::DoctorFacts;
pub use fix::{FixStep, fix_steps, run_fix};
pub use options::{DoctorOptions, Threshold};
pub use queries::{advice_outcome, loop_outcome};
pub use report::{
    Change, Changes, CheckGroup, CheckResult, DoctorReport, Evidence, Fix, Limits, Outcome, Severity, Verdict,
};
pub use run::{check_given, diagnose};
pub use server::{certificate_outcome, clock_outcome, minor_version_outcome, replica_outcome};
pub use session_control::{EndedSession, SessionEnd, SessionTarget, end_sessions, sessions_to_end};
pub use shardable::version_outcome as citus_version_outcome;

/// Every check of both engines, in the order of the report.
pub(crate) fn all_checks() -> impl Iterator<Item = &'static CheckSpec> {
    let groups: [&[CheckSpec]; 8] = [
        &activity::CHECKS,
        &queries::CHECKS,
        &tables::CHECKS,
        &server::CHECKS,
        &isolation::CHECKS,
        &application::CHECKS,
        &sqlite::CHECKS,
        &shardable::CHECKS,
    ];
    groups.into_iter().flatten()
}

/// Returns the ids of all checks of an engine, in the order of the report.
#[must_use]
pub fn check_ids(is_sqlite: bool) -> Vec<&'static str> {
    all_checks().filter(|check| check.applies(is_sqlite)).map(|check| check.id).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_engine_has_its_number_of_checks() {
        assert!(check_ids(false).len() >= 60, "{}", check_ids(false).len());
        assert!(check_ids(true).len() >= 15, "{}", check_ids(true).len());
    }

    #[test]
    fn ids_are_unique_and_begin_with_their_group() {
        let ids: Vec<_> = all_checks().map(|check| check.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for check in all_checks() {
            assert!(check.id.starts_with(check.group().as_str()), "{}", check.id);
            assert!(check.meaning.ends_with('.') && !check.meaning.contains(". "), "one sentence: {}", check.meaning);
        }
    }

    #[test]
    fn each_check_names_a_command_or_says_that_there_is_none() {
        for check in all_checks() {
            assert!(!check.fix.0.is_empty() && !check.fix.1.is_empty(), "{} has no fix", check.id);
        }
    }
}
