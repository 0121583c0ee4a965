//! A run: every check of the engine, then their root causes.

mod given;
mod measure;
mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::check::{CheckSpec, REACHABLE};
use super::data::DoctorData;
use super::facts::DoctorFacts;
use super::options::DoctorOptions;
use super::report::{CheckResult, DoctorReport, Evidence, Fix, Limits, Outcome, Verdict};
use super::{all_checks, root_cause};
use crate::engine::Engine;
use crate::visible::{is_hidden, visible};

pub use given::check_given;

/// Most objects that a check lists.
const MOST: usize = 20;

/// The time after which a run makes no further checks.
const BUDGET: Duration = Duration::from_secs(20);

/// The fix of a file that cannot be opened.
const UNREADABLE: &str = "check database_url; `rylie migrate deploy` creates an absent file, `rylie backup restore` brings a damaged one back";

/// The state of a run.
pub(super) struct Run<'a> {
    pub(super) facts: &'a DoctorFacts,
    pub(super) options: &'a DoctorOptions,
    pub(super) limits: BTreeMap<&'static str, Limits>,
    pub(super) begun: Instant,
    pub(super) outcomes: BTreeMap<&'static str, Outcome>,
    pub(super) data: DoctorData,
    pub(super) server: String,
}

impl Run<'_> {
    pub(super) fn limit(&self, id: &str) -> Limits {
        self.limits.get(id).cloned().unwrap_or(Limits::fixed(0.0, 0.0, ""))
    }

    /// Returns the reason for which no further check is made, if the time is up.
    pub(super) fn out_of_time(&self) -> Option<Outcome> {
        (!self.options.deep && self.begun.elapsed() > BUDGET)
            .then(|| Outcome::not_checked("the time for the whole run was used up; name this check with --only"))
    }

    /// Returns the checks of this engine that are looked at and have no outcome yet.
    pub(super) fn open(&self, is_sqlite: bool) -> Vec<&'static CheckSpec> {
        let open = |spec: &&CheckSpec| {
            spec.applies(is_sqlite) && self.options.looks_at(spec) && !self.outcomes.contains_key(spec.id)
        };
        all_checks().filter(open).collect()
    }
}

/// Makes every check and returns the report. Never fails: a database that cannot be reached is a finding.
///
/// Costs one connection and one round trip for each check; each statement has two seconds. Takes no lock that another
/// session waits for.
pub async fn diagnose(engine: &Engine, facts: &DoctorFacts, options: &DoctorOptions) -> DoctorReport {
    let mut run = Run {
        facts,
        options,
        limits: options.limits_by_id(),
        begun: Instant::now(),
        outcomes: facts.outcomes.clone(),
        data: facts.data.clone(),
        server: String::new(),
    };
    let reached =
        if engine.is_sqlite() { sqlite::run(engine, &mut run).await } else { postgres::run(engine, &mut run).await };
    match reached {
        Ok(()) => {
            run.outcomes.entry(REACHABLE).or_insert_with(|| Outcome::ok("the database answers"));
        }
        Err(reason) => {
            let found = Outcome::found(Verdict::Critical, if engine.is_sqlite() { "file" } else { "server" }, reason);
            let found = if engine.is_sqlite() { found.fixed_by(UNREADABLE, "none") } else { found };
            run.outcomes.insert(REACHABLE, found);
        }
    }
    report(engine.is_sqlite(), run)
}

impl DoctorReport {
    /// Sets the outcome of a check by code of the caller. Nothing happens if the report lacks the check.
    pub fn set_outcome(&mut self, id: &str, outcome: Outcome) {
        let spec = all_checks().find(|spec| spec.id == id);
        let Some((spec, check)) = spec.zip(self.checks.iter_mut().find(|check| check.id == id)) else { return };
        let limits = check.limits.clone();
        *check = result(spec, outcome, limits);
        root_cause::assign(&mut self.checks);
    }
}

fn report(is_sqlite: bool, run: Run<'_>) -> DoctorReport {
    let unreachable = run.outcomes.get(REACHABLE).is_some_and(|outcome| !outcome.evidence.is_empty());
    let mut checks: Vec<CheckResult> = all_checks()
        .filter(|spec| spec.applies(is_sqlite) && (run.options.includes(spec) || unreachable && spec.id == REACHABLE))
        .map(|spec| {
            let outcome = match run.outcomes.get(spec.id) {
                Some(outcome) => outcome.clone(),
                None if spec.on_request && !run.options.looks_at(spec) => Outcome::not_checked(format!(
                    "it concerns a move to Citus only; ask for it with `--only {}`",
                    spec.group().as_str()
                )),
                None if unreachable => Outcome::not_checked("the database was not reached"),
                None => Outcome::not_checked(unmade(spec.id)),
            };
            result(spec, outcome, run.limits.get(spec.id).cloned())
        })
        .collect();
    root_cause::assign(&mut checks);
    DoctorReport {
        format: 1,
        at: run.facts.at,
        engine: if is_sqlite { "sqlite" } else { "postgres" }.to_owned(),
        server: run.server,
        took_ms: u64::try_from(run.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        checks,
        data: run.data,
        changes: None,
    }
}

/// Why a check has no outcome in a run that reached the database.
fn unmade(id: &str) -> &'static str {
    match id {
        "queries.loops" => "only the service's process counts its units; call `Database::doctor` there",
        "activity.pool" => "only the service's process knows its pool; call `Database::doctor` there",
        "queries.regressions" | "queries.changed-plans" => {
            "it compares with an earlier run; name its document by --since"
        }
        _ => "it was not looked at in this run",
    }
}

fn result(spec: &CheckSpec, outcome: Outcome, limits: Option<Limits>) -> CheckResult {
    let Outcome { detail, mut evidence, reason } = outcome;
    evidence.iter_mut().for_each(make_visible);
    evidence.sort_by_key(|found| std::cmp::Reverse(found.level));
    let worst = evidence.iter().map(|found| found.level).max();
    let status = worst.unwrap_or(if reason.is_some() { Verdict::NotChecked } else { Verdict::Ok });
    let unchecked = evidence.iter().find(|found| found.level == Verdict::NotChecked).map(|found| found.detail.clone());
    let fix = status.is_finding().then(|| {
        let own = evidence.iter().find_map(|found| found.fix.clone());
        own.unwrap_or_else(|| Fix { command: spec.fix.0.to_owned(), lock: spec.fix.1.to_owned() })
    });
    let detail = match evidence.first() {
        Some(first) if status.is_finding() => summary(first, evidence.len()),
        _ if status == Verdict::NotChecked => "not checked".to_owned(),
        _ => detail.unwrap_or_else(|| spec.healthy.to_owned()),
    };
    evidence.truncate(MOST);
    CheckResult {
        id: spec.id.to_owned(),
        group: spec.group(),
        severity: spec.severity,
        status,
        meaning: spec.meaning.to_owned(),
        detail,
        reason: (status == Verdict::NotChecked).then(|| reason.or(unchecked).unwrap_or_default()),
        root_cause: None,
        fix,
        limits,
        evidence,
    }
}

/// Makes the names of objects visible. A statement with a hidden character is not offered.
fn make_visible(found: &mut Evidence) {
    found.object = visible(&found.object);
    found.detail = visible(&found.detail);
    found.fix.take_if(|fix| fix.command.contains(is_hidden));
}

fn summary(first: &Evidence, number: usize) -> String {
    let more = if number > 1 { format!(" (and {} more)", number - 1) } else { String::new() };
    format!("{}: {}{more}", first.object, first.detail)
}
