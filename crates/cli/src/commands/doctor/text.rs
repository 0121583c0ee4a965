//! The report as text: root causes first, each with what it explains.

use std::fmt::Write;

use rylie_db::maintenance::{Change, CheckResult, DoctorReport, Verdict};

/// Objects of a finding that are listed; `--json` has twenty.
const OBJECTS: usize = 5;

pub(super) fn in_words(report: &DoctorReport) -> String {
    let mut text = String::new();
    for (worst, check) in report.root_causes() {
        finding(&mut text, worst, check, report);
    }
    let unchecked: Vec<&CheckResult> =
        report.checks.iter().filter(|check| check.status == Verdict::NotChecked).collect();
    if !unchecked.is_empty() {
        line(&mut text, &format!("not checked: {}", unchecked.len()));
        // Many checks lack the same right: one line each would hide the others.
        let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
        // Those that a finding prevents are counted there.
        for check in unchecked.into_iter().filter(|check| check.root_cause.is_none()) {
            let reason = check.reason.as_deref().unwrap_or_default();
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, ids)) => ids.push(&check.id),
                None => reasons.push((reason, vec![&check.id])),
            }
        }
        for (reason, ids) in reasons {
            line(&mut text, &format!("  {}: {reason}", ids.join(", ")));
        }
    }
    if let Some(changes) = &report.changes {
        line(&mut text, &format!("changed since {}", changes.since.format("%F %T")));
        if changes.other_database {
            line(&mut text, "  the earlier run was of another database");
        }
        for (kind, changes) in [
            ("check", &changes.checks),
            ("setting", &changes.settings),
            ("plan", &changes.plans),
            ("size", &changes.sizes),
        ] {
            for change in changes {
                line(&mut text, &changed(kind, change));
            }
        }
    }
    let counts = [Verdict::Critical, Verdict::Warning, Verdict::NotChecked, Verdict::Ok];
    let counts = counts.map(|status| format!("{} {}", report.count(status), status.as_str()));
    line(&mut text, &format!("{} in {} ms ({})", counts.join(", "), report.took_ms, server(report)));
    text.trim_end().to_owned()
}

fn server(report: &DoctorReport) -> &str {
    if report.server.is_empty() { &report.engine } else { &report.server }
}

fn finding(text: &mut String, worst: Verdict, check: &CheckResult, report: &DoctorReport) {
    line(text, &format!("{}: {}", worst.as_str(), check.id));
    line(text, &format!("  {}", check.meaning));
    for found in check.evidence.iter().take(OBJECTS) {
        line(text, &format!("  {}: {}", found.object, found.detail));
    }
    if check.evidence.len() > OBJECTS {
        line(text, &format!("  and {} more", check.evidence.len() - OBJECTS));
    }
    if let Some(fix) = &check.fix {
        line(text, &format!("  fix: {}", fix.command));
        line(text, &format!("  lock: {}", fix.lock));
    }
    let (found, unmade): (Vec<_>, Vec<_>) =
        report.explained_by(&check.id).partition(|symptom| symptom.status.is_finding());
    for symptom in found {
        line(text, &format!("  explains {}: {}", symptom.id, symptom.detail));
    }
    if !unmade.is_empty() {
        line(text, &format!("  prevents {} checks", unmade.len()));
    }
    text.push('\n');
}

fn changed(kind: &str, change: &Change) -> String {
    let (before, after) = (change.before.as_deref().unwrap_or("none"), change.after.as_deref().unwrap_or("none"));
    format!("  {kind} {}: {after} (before {before})", change.name)
}

fn line(text: &mut String, line: &str) {
    // Writing to a text cannot fail.
    let _ = writeln!(text, "{line}");
}
