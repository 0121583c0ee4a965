//! One root cause instead of many symptoms.
//!
//! This file is long because each rule has an example among its tests.

use super::check::{MIGRATIONS, REACHABLE, WHOLE_DATABASE};
use super::report::{CheckGroup, CheckResult, Verdict};

/// When a finding explains another one.
enum When {
    /// Always.
    Always,
    /// If both name one object.
    SameObject,
    /// If each object of the symptom contains one of the cause, as `policy Task.p` does `Task`. Several causes together may
    /// explain one symptom.
    EachNamed,
    /// If each object of the symptom begins with this text. Several causes together may explain one symptom.
    EachBegins(&'static str),
    /// If the symptom names the table of an index of the cause, as `table Task` is of `index Task.i`.
    TableOfIndex,
}

use When::{Always, EachBegins, EachNamed, SameObject, TableOfIndex};

/// Symptom, cause and condition. The first match counts.
const RULES: &[(&str, &str, When)] = &[
    ("activity.lock-waits", "activity.blocking", Always),
    ("activity.blocking", "activity.prepared-transactions", SameObject),
    ("activity.blocking", "activity.idle-in-transaction", SameObject),
    ("activity.blocking", "activity.long-queries", SameObject),
    ("activity.vacuum-held", "activity.prepared-transactions", SameObject),
    ("activity.vacuum-held", "activity.idle-in-transaction", SameObject),
    ("activity.vacuum-held", "activity.long-queries", SameObject),
    ("activity.contention", "activity.blocking", Always),
    ("activity.connections", "activity.blocking", Always),
    ("activity.connection-limits", "activity.blocking", Always),
    ("activity.pool", "activity.blocking", Always),
    ("tables.dead-rows", "server.autovacuum", Always),
    ("tables.dead-rows", "tables.autovacuum-off", SameObject),
    ("tables.dead-rows", "activity.vacuum-held", Always),
    ("tables.never-analyzed", "server.autovacuum", Always),
    ("tables.never-analyzed", "tables.autovacuum-off", SameObject),
    ("tables.stale-statistics", "server.autovacuum", Always),
    ("tables.stale-statistics", "tables.autovacuum-off", SameObject),
    ("tables.bloat", "tables.dead-rows", SameObject),
    ("tables.wraparound", "activity.vacuum-held", Always),
    ("tables.wraparound", "server.autovacuum", Always),
    ("server.wal-size", "server.replication-slots", Always),
    ("server.wal-size", "server.archiver", Always),
    ("server.slot-limit", "server.replication-slots", Always),
    ("isolation.probe-tenant", "isolation.row-security", SameObject),
    ("isolation.probe-tenant", "isolation.extra-policy", SameObject),
    ("isolation.probe-tenant", "isolation.with-check", SameObject),
    ("isolation.probe-tenant", "isolation.unit-roles", Always),
    ("isolation.probe-platform", "isolation.audit-rights", SameObject),
    ("isolation.with-check", "isolation.extra-policy", SameObject),
    ("isolation.owners", "isolation.definer-functions", EachNamed),
    ("isolation.owners", "isolation.views", EachNamed),
    ("isolation.owners", "isolation.materialized-views", EachNamed),
    ("isolation.owners", "isolation.tenant-column", EachNamed),
    ("isolation.owners", "isolation.row-security", EachNamed),
    ("isolation.search-path", "isolation.definer-functions", SameObject),
    ("application.drift", "application.migrations", Always),
    ("application.drift", "isolation.row-security", EachNamed),
    ("application.drift", "isolation.forced", EachNamed),
    ("application.drift", "isolation.policy", EachNamed),
    ("application.drift", "isolation.extra-policy", EachNamed),
    ("application.drift", "isolation.public-grants", EachNamed),
    ("application.drift", "isolation.owners", EachBegins("owner of")),
    ("application.drift", "isolation.schema-create", EachBegins("right of")),
    ("application.drift", "isolation.grants", EachBegins("rights of")),
    ("application.drift", "isolation.unit-roles", EachNamed),
    // Drift may show more than the missing setting, such as another body.
    ("isolation.search-path", "application.drift", EachNamed),
    ("application.drift", "tables.unlogged", EachNamed),
    ("isolation.with-check", "isolation.policy", SameObject),
    ("isolation.tenant-index", "application.drift", TableOfIndex),
    ("tables.unindexed-foreign-key", "application.drift", TableOfIndex),
    ("application.jobs-late", "application.jobs-stuck", EachNamed),
    ("isolation.bypass-logins", "isolation.unit-roles", EachNamed),
    ("isolation.provisioned-logins", "isolation.unit-roles", Always),
    ("application.drift", "tables.disabled-trigger", EachNamed),
    ("application.drift", "tables.invalid-index", EachNamed),
    ("application.drift", "tables.unvalidated-constraint", EachNamed),
    ("application.expired-sessions", "application.jobs-stuck", SameObject),
    ("application.expired-sessions", "application.jobs-failing", SameObject),
    ("application.expired-sessions", "application.jobs-late", SameObject),
    ("application.expired-tokens", "application.jobs-failing", SameObject),
    ("application.expired-tokens", "application.jobs-late", SameObject),
    ("application.usage-periods", "application.jobs-failing", SameObject),
    ("application.usage-periods", "application.jobs-late", SameObject),
    ("application.purge-backlog", "application.jobs-failing", SameObject),
    ("application.purge-backlog", "application.jobs-late", SameObject),
    ("application.alerts-undelivered", "application.alert-targets", Always),
    ("application.backup-age", "application.audit-key", Always),
    ("application.backup-age", "application.backup-damage", SameObject),
    ("application.audit-backlog", "application.audit-key", Always),
    ("application.secrets-keys", "application.keyring", Always),
    ("tables.unvalidated-constraint", "application.orphans", SameObject),
    ("isolation.composite-keys", "tables.disabled-trigger", EachNamed),
    ("isolation.probe-tenant", "isolation.policy", SameObject),
    ("isolation.probe-identity", "isolation.public-grants", SameObject),
    ("isolation.unrecorded-logins", "isolation.service-logins", EachNamed),
    ("isolation.unrecorded-logins", "isolation.provisioned-logins", EachNamed),
    ("server.replication-slots", "application.wal-arriving", SameObject),
    ("server.reachable", "sqlite.integrity", Always),
    ("application.drift", "sqlite.audit-triggers", EachNamed),
    ("sqlite.foreign-key-rows", "sqlite.integrity", Always),
];

/// Sets the root cause of each finding that another one explains, and of each check that a finding prevented.
pub(super) fn assign(checks: &mut [CheckResult]) {
    let direct: Vec<Option<&'static str>> = checks.iter().map(|check| cause_of(check, checks)).collect();
    for (check, cause) in checks.iter_mut().zip(direct) {
        check.root_cause = cause.map(str::to_owned);
    }
    // A cause that is a symptom itself leads to its own cause. The rules have no long chains.
    for _ in 0..4 {
        let causes: Vec<Option<String>> = checks
            .iter()
            .map(|check| {
                let cause = check.root_cause.as_deref()?;
                let of_cause = checks.iter().find(|other| other.id == cause)?.root_cause.clone();
                of_cause.filter(|deeper| *deeper != check.id).or_else(|| check.root_cause.clone())
            })
            .collect();
        for (check, cause) in checks.iter_mut().zip(causes) {
            check.root_cause = cause;
        }
    }
}

fn cause_of(check: &CheckResult, all: &[CheckResult]) -> Option<&'static str> {
    let found = |id: &str| all.iter().find(|other| other.id == id && other.status.is_finding());
    if found(MIGRATIONS).is_some_and(is_of_no_schema) && needs_the_schema(check) {
        return Some(MIGRATIONS);
    }
    if check.status == Verdict::NotChecked {
        return prevented_by(check).into_iter().find(|cause| found(cause).is_some());
    }
    if !check.status.is_finding() {
        return None;
    }
    let rules = RULES.iter().filter(|(symptom, ..)| *symptom == check.id);
    let causes: Vec<_> = rules.filter_map(|(_, id, when)| Some((*id, found(id)?, when))).collect();
    if let Some((id, ..)) = causes.iter().find(|(_, cause, when)| when.holds(check, cause)) {
        return Some(id);
    }
    let objects = objects(check);
    let together = objects.iter().all(|object| causes.iter().any(|(_, cause, when)| when.names(object, cause)));
    let first = causes.iter().find(|(_, cause, when)| objects.iter().any(|object| when.names(object, cause)));
    first.filter(|_| together).map(|(id, ..)| *id)
}

/// Checks whose finding may be the reason that this one was not made.
fn prevented_by(check: &CheckResult) -> Vec<&'static str> {
    let reason = check.reason.as_deref().unwrap_or_default();
    let mut causes = Vec::new();
    if !reason.contains("configured") {
        causes.push(REACHABLE);
    }
    if reason.contains("pg_stat_statements") {
        causes.push("queries.statistics");
    }
    if reason.contains("holds a lock") {
        causes.extend(["activity.idle-in-transaction", "activity.blocking", "activity.prepared-transactions"]);
    }
    if reason.contains("lost against a concurrent one") {
        causes.push("sqlite.writable");
    }
    causes
}

/// Whether the database is not one of ours yet, so that nothing of the schema can be right.
fn is_of_no_schema(migrations: &CheckResult) -> bool {
    migrations.evidence.iter().any(|found| found.object == WHOLE_DATABASE)
}

fn needs_the_schema(check: &CheckResult) -> bool {
    let of_schema = matches!(check.group, CheckGroup::Isolation | CheckGroup::Application)
        || check.id.starts_with("sqlite.tenant-")
        || check.id == "sqlite.audit-triggers";
    // Logins belong to the server.
    let of_server = objects(check).iter().any(|object| object.starts_with("login "));
    let reason = check.reason.as_deref().unwrap_or_default();
    of_schema
        && check.id != MIGRATIONS
        && check.status != Verdict::Ok
        && !of_server
        && !reason.contains("configured")
        && !reason.contains("--deep")
}

/// The objects that a check found, without quotes.
fn objects(check: &CheckResult) -> Vec<String> {
    let found = check.evidence.iter().filter(|found| found.level.is_finding());
    found.map(|found| found.object.replace('"', "")).collect()
}

impl When {
    /// Whether the cause alone explains the whole symptom.
    fn holds(&self, symptom: &CheckResult, cause: &CheckResult) -> bool {
        let (of_symptom, of_cause) = (objects(symptom), objects(cause));
        match self {
            Self::Always => true,
            // The server does not say which prepared transaction holds a lock.
            Self::SameObject => of_symptom.iter().any(|object| {
                of_cause
                    .iter()
                    .any(|cause| cause == object || (object == "prepared transaction" && cause.starts_with(object)))
            }),
            Self::TableOfIndex => {
                let tables: Vec<&str> = of_cause
                    .iter()
                    .filter_map(|object| Some(object.strip_prefix("index ")?.split_once('.')?.0))
                    .collect();
                let mut texts = symptom.evidence.iter().map(|found| format!("{} {}", found.object, found.detail));
                let named = |text: String| text.replace('"', "").split(' ').any(|word| tables.contains(&word));
                !symptom.evidence.is_empty() && texts.all(named)
            }
            Self::EachNamed | Self::EachBegins(_) => {
                !of_symptom.is_empty() && of_symptom.iter().all(|object| self.names(object, cause))
            }
        }
    }

    /// Whether the cause explains this object of the symptom.
    fn names(&self, object: &str, cause: &CheckResult) -> bool {
        match self {
            Self::EachBegins(text) => object.starts_with(text),
            Self::EachNamed => objects(cause).iter().any(|cause| {
                let name = cause.rsplit(' ').next().unwrap_or_default();
                !name.is_empty() && object.split([' ', '.', ':']).any(|word| word == name)
            }),
            Self::Always | Self::SameObject | Self::TableOfIndex => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::{CheckGroup, Evidence, Severity};

    fn check(id: &str, object: &str) -> CheckResult {
        let evidence =
            vec![Evidence { level: Verdict::Warning, object: object.to_owned(), detail: String::new(), fix: None }];
        CheckResult {
            id: id.to_owned(),
            group: CheckGroup::Activity,
            severity: Severity::Critical,
            status: Verdict::Warning,
            meaning: String::new(),
            detail: String::new(),
            reason: None,
            root_cause: None,
            fix: None,
            limits: None,
            evidence,
        }
    }

    fn causes(mut checks: Vec<CheckResult>) -> Vec<Option<String>> {
        assign(&mut checks);
        checks.into_iter().map(|check| check.root_cause).collect()
    }

    #[test]
    fn an_idle_transaction_explains_its_blocked_sessions_and_the_held_vacuum() {
        let checks = vec![
            check("activity.idle-in-transaction", "pid 7"),
            check("activity.blocking", "pid 7"),
            check("activity.lock-waits", "pid 9"),
            check("activity.vacuum-held", "pid 7"),
        ];
        let idle = || Some("activity.idle-in-transaction".to_owned());
        assert_eq!(causes(checks), [None, idle(), idle(), idle()]);
    }

    #[test]
    fn a_missing_index_explains_what_its_table_lacks() {
        let drift = check("application.drift", "index Task.Task_tenantId_idx");
        let lacks = |table: &str| check("isolation.tenant-index", table);
        let drifted = || Some("application.drift".to_owned());
        assert_eq!(causes(vec![drift.clone(), lacks("table \"Task\"")]), [None, drifted()]);
        assert_eq!(causes(vec![drift, lacks("table \"Request\"")]), [None, None]);
    }

    #[test]
    fn a_foreign_owner_explains_the_owners_that_differ() {
        let owner = check("isolation.owners", "table \"Task\"");
        let drift = check("application.drift", "owner of index public.\"Task_idx\"");
        assert_eq!(causes(vec![owner, drift])[1].as_deref(), Some("isolation.owners"));
    }

    #[test]
    fn no_rule_leads_back_to_its_symptom() {
        for (symptom, cause, _) in RULES {
            assert!(
                !RULES.iter().any(|(other, of_other, _)| other == cause && of_other == symptom),
                "{symptom} {cause}"
            );
        }
    }

    #[test]
    fn another_object_explains_nothing() {
        let checks = vec![check("activity.idle-in-transaction", "pid 7"), check("activity.blocking", "pid 8")];
        assert_eq!(causes(checks), [None, None]);
    }

    #[test]
    fn drift_has_its_own_cause_if_it_names_more_than_the_cause_does() {
        let mut drift = check("application.drift", "policy Task.rylie_tenant");
        let forced = check("isolation.policy", "table \"Task\"");
        assert_eq!(causes(vec![drift.clone(), forced.clone()])[0].as_deref(), Some("isolation.policy"));
        drift.evidence.push(Evidence {
            level: Verdict::Warning,
            object: "index Task_x".to_owned(),
            detail: String::new(),
            fix: None,
        });
        assert_eq!(causes(vec![drift, forced])[0], None);
    }

    #[test]
    fn every_rule_names_checks_that_exist() {
        let ids: Vec<&str> = crate::doctor::all_checks().map(|spec| spec.id).collect();
        for (symptom, cause, _) in RULES {
            assert!(ids.contains(symptom) && ids.contains(cause), "{symptom} {cause}");
        }
    }
}
