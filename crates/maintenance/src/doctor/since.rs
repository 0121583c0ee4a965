//! The differences between two runs.

use std::collections::BTreeMap;

use super::report::{Change, Changes, CheckResult, DoctorReport, Evidence, Fix, Limits, Verdict};

impl DoctorReport {
    /// Compares with an earlier run, and completes the checks that need one. Runs with other thresholds compare too.
    pub fn compare(&mut self, earlier: &Self) {
        let limits = |id: &str, report: &Self| report.check(id).and_then(|check| check.limits.clone());
        let regressions = slower(self, earlier, limits("queries.regressions", self));
        let plans = differences(&earlier.data.plans, &self.data.plans, Clone::clone);
        let changed: Vec<Evidence> = plans
            .iter()
            .filter(|change| change.before.is_some() && change.after.is_some())
            .map(|change| Evidence {
                level: Verdict::Warning,
                object: format!("list `{}`", change.name),
                detail: format!(
                    "{}, before {}",
                    change.after.as_deref().unwrap_or_default(),
                    change.before.as_deref().unwrap_or_default()
                ),
                fix: None,
            })
            .collect();
        complete(
            self,
            "queries.regressions",
            regressions,
            (!earlier.data.statements.is_empty() && !self.data.statements.is_empty())
                .then_some("no statement takes much longer"),
        );
        let planned = !earlier.data.plans.is_empty() && !self.data.plans.is_empty();
        complete(
            self,
            "queries.changed-plans",
            changed,
            planned.then_some("every list has the plan of the earlier run"),
        );
        let mut checks = differences(&statuses(earlier), &statuses(self), |status| status.as_str().to_owned());
        checks.sort_by_key(|change| !matches!(change.after.as_deref(), Some("critical" | "warning")));
        let both = earlier.data.fingerprint.as_ref().zip(self.data.fingerprint.as_ref());
        let large = |change: &Change| {
            let bytes = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
            let (before, after) = (bytes(change.before.as_deref()), bytes(change.after.as_deref()));
            let differ = (after - before).abs();
            differ >= 1 << 20 && differ * 10 >= before
        };
        self.changes = Some(Changes {
            since: earlier.at,
            other_database: both.is_some_and(|(before, after)| before != after),
            checks,
            settings: differences(&earlier.data.settings, &self.data.settings, Clone::clone),
            plans,
            sizes: if self.data.table_bytes.is_empty() {
                Vec::new()
            } else {
                differences(&earlier.data.table_bytes, &self.data.table_bytes, ToString::to_string)
                    .into_iter()
                    .filter(large)
                    .collect()
            },
        });
    }
}

fn statuses(report: &DoctorReport) -> BTreeMap<String, Verdict> {
    report.checks.iter().map(|check| (check.id.clone(), check.status)).collect()
}

fn differences<T: PartialEq>(
    before: &BTreeMap<String, T>,
    after: &BTreeMap<String, T>,
    text: impl Fn(&T) -> String,
) -> Vec<Change> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differ
        .map(|name| Change {
            name: name.clone(),
            before: before.get(name).map(&text),
            after: after.get(name).map(&text),
        })
        .collect()
}

fn slower(now: &DoctorReport, earlier: &DoctorReport, limits: Option<Limits>) -> Vec<Evidence> {
    let Some(limits) = limits else { return Vec::new() };
    let mut found = Vec::new();
    for statement in now.data.statements.iter().filter(|statement| statement.mean_ms >= 5.0) {
        let before = earlier.data.statements.iter().find(|before| before.id == statement.id && before.mean_ms > 0.0);
        let Some(before) = before else { continue };
        let times = statement.mean_ms / before.mean_ms;
        let level = if times >= limits.critical {
            Verdict::Critical
        } else if times >= limits.warning {
            Verdict::Warning
        } else {
            continue;
        };
        let detail =
            format!("{:.1} ms on average, before {:.1} ms: {}", statement.mean_ms, before.mean_ms, statement.text);
        found.push(Evidence { level, object: format!("statement {}", statement.id), detail, fix: None });
    }
    found
}

/// Gives a check that needs an earlier run its outcome. `healthy`: its detail, if both runs have the data.
fn complete(report: &mut DoctorReport, id: &str, evidence: Vec<Evidence>, healthy: Option<&str>) {
    let Some(check) = report.checks.iter_mut().find(|check| check.id == id) else { return };
    let Some(healthy) = healthy else {
        check.reason = Some("one of both runs has no such data".to_owned());
        return;
    };
    *check = CheckResult {
        status: evidence.iter().map(|found| found.level).max().unwrap_or(Verdict::Ok),
        detail: evidence
            .first()
            .map_or_else(|| healthy.to_owned(), |found| format!("{}: {}", found.object, found.detail)),
        reason: None,
        root_cause: None,
        fix: (!evidence.is_empty()).then(|| Fix {
            command: "rylie maintain analyze".to_owned(),
            lock: "SHARE UPDATE EXCLUSIVE; readers and writers continue".to_owned(),
        }),
        evidence,
        ..check.clone()
    };
}
