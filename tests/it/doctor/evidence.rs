//! Checks by code: each outcome on evidence that trips it, and on evidence that does not.

use chrono::{DateTime, TimeDelta};
use rylie_db::maintenance::{
    DoctorReport, Limits, Outcome, SlowStatement, Verdict, advice_outcome, alert_target_outcome, certificate_outcome,
    citus_version_outcome, clock_outcome, loop_outcome, minor_version_outcome, pool_outcome, replica_outcome,
};
use rylie_testkit::Cluster;

use super::{diagnose, seeded, status};

pub(super) struct Evidenced {
    pub(super) check: &'static str,
    tripped: fn() -> Outcome,
    clean: fn() -> Outcome,
}

const fn limits(warning: f64, critical: f64) -> Limits {
    Limits { warning, critical, unit: std::borrow::Cow::Borrowed("") }
}

fn certificate(days: i64) -> Outcome {
    let now = DateTime::UNIX_EPOCH;
    certificate_outcome(now + TimeDelta::days(days), now, &limits(30.0, 7.0))
}

fn looped(times: u64) -> Outcome {
    loop_outcome(&[("src/a.rs:7".to_owned(), "SELECT User".to_owned(), times, 1)], &limits(20.0, 500.0))
}

fn target(error: Option<&str>) -> Outcome {
    alert_target_outcome(&[("mailto:a@x".to_owned(), error.map(str::to_owned))])
}

pub(super) const EVIDENCE: &[Evidenced] = &[
    Evidenced {
        check: "activity.pool",
        tripped: || pool_outcome(10, 0, 3, &["src/a.rs:7 (3s)".to_owned()]),
        clean: || pool_outcome(10, 2, 0, &[]),
    },
    Evidenced { check: "queries.loops", tripped: || looped(40), clean: || looped(2) },
    Evidenced {
        check: "queries.missing-index",
        tripped: || advice_outcome("\"Task\"", "\"title\"", 9_000.0, 8.0, &limits(10.0, 10_000.0)),
        clean: || advice_outcome("\"Task\"", "\"title\"", 9_000.0, 8_000.0, &limits(10.0, 10_000.0)),
    },
    Evidenced {
        check: "server.clock",
        tripped: || clock_outcome(9.0, &limits(5.0, 60.0)),
        clean: || clock_outcome(0.2, &limits(5.0, 60.0)),
    },
    Evidenced { check: "server.certificate", tripped: || certificate(-3), clean: || certificate(300) },
    Evidenced {
        check: "server.minor-version",
        tripped: || minor_version_outcome(150_002),
        clean: || minor_version_outcome(150_020),
    },
    Evidenced { check: "server.replica", tripped: || replica_outcome(true), clean: || replica_outcome(false) },
    Evidenced {
        check: "shardable.version",
        tripped: || citus_version_outcome(140_020),
        clean: || citus_version_outcome(180_001),
    },
    Evidenced {
        check: "application.alert-targets",
        tripped: || target(Some("its host is not found")),
        clean: || target(None),
    },
];

#[test]
fn each_outcome_by_code_is_a_finding_on_faulty_evidence_only() {
    for Evidenced { check, tripped, clean } in EVIDENCE {
        assert!(tripped().evidence.iter().any(|found| found.level.is_finding()), "{check}: {:?}", tripped());
        let healthy = clean();
        assert!(healthy.evidence.is_empty() && healthy.reason.is_none(), "{check}: {healthy:?}");
    }
    assert!(
        certificate(3).evidence[0].level == Verdict::Critical && certificate(20).evidence[0].level == Verdict::Warning
    );
    assert_eq!(minor_version_outcome(130_022).evidence[0].level, Verdict::Critical);
}

/// Checks that compare with an earlier run.
pub(super) const COMPARED: [&str; 2] = ["queries.regressions", "queries.changed-plans"];

#[tokio::test]
async fn a_slower_statement_and_another_plan_are_found_by_comparing_two_runs() {
    let database = seeded(Cluster::shared().await.unwrap()).await;
    let mut earlier = diagnose(&database.url(), &[]).await;
    let statement = |mean_ms| SlowStatement {
        id: "7".to_owned(),
        text: "SELECT 1".to_owned(),
        calls: 9,
        mean_ms,
        total_ms: 9.0 * mean_ms,
    };
    for check in COMPARED {
        assert_eq!(status(&earlier, check), Verdict::NotChecked, "{check} without an earlier run");
    }
    earlier.data.statements = vec![statement(5.0)];
    earlier.data.plans = [("list".to_owned(), "Index Scan by a_idx on a".to_owned())].into();
    let compared = |mean_ms, plan: &str| {
        let mut later: DoctorReport = earlier.clone();
        later.data.statements = vec![statement(mean_ms)];
        later.data.plans = [("list".to_owned(), plan.to_owned())].into();
        later.compare(&earlier);
        later
    };
    let (same, worse) = (compared(6.0, "Index Scan by a_idx on a"), compared(60.0, "Seq Scan on a"));
    for check in COMPARED {
        assert_eq!(status(&same, check), Verdict::Ok, "{:?}", same.check(check));
        assert!(status(&worse, check).is_finding(), "{:?}", worse.check(check));
    }
}
