//! Calls in operations units.

use chrono::TimeDelta;
use rylie_db::repositories::KeptSize;

use super::listed;
use super::rows::MINUTE;

fn sizes() -> [KeptSize; 1] {
    [KeptSize { table: "Request".to_owned(), bytes: 1, rows: Some(1) }]
}

listed! { Operations by operations:
    JobRunRepository {
        register: |unit, rows| unit.job_runs().register("another", rows.now);
        settled: |unit, rows| async { unit.job_runs().settled(&["running".to_owned()]).await };
        begun: |unit, rows| unit.job_runs().begun();
        running: |unit, rows| unit.job_runs().running();
        last_run: |unit, rows| unit.job_runs().last_run("running");
        last_failure: |unit, rows| unit.job_runs().last_failure("running");
        claim: |unit, rows| unit.job_runs().claim("a third", rows.now, false, "a holder", MINUTE);
        take_over: |unit, rows| unit.job_runs().take_over(&rows.ended, "another", MINUTE);
        prolong: |unit, rows| unit.job_runs().prolong(&rows.lease, MINUTE);
        release: |unit, rows| unit.job_runs().release(&rows.lease);
        finish: |unit, rows| unit.job_runs().finish(&rows.lease, Some("why"));
        skip: |unit, rows| unit.job_runs().skip("skipped", rows.now);
        forget: |unit, rows| unit.job_runs().forget(rows.now + TimeDelta::days(1), 10);
    }
    SizeHistory {
        keep: |unit, rows| async { unit.size_history().keep(rows.now, &sizes()).await };
        list: |unit, rows| unit.size_history().list("Request", rows.now);
        thin: |unit, rows| unit.size_history().thin(rows.now, rows.now);
    }
    AlertRepository {
        check: |unit, rows| unit.alerts().check("size", 10, 9, &rows.targets);
        alerts: |unit, rows| unit.alerts().alerts();
        undelivered: |unit, rows| unit.alerts().undelivered();
        take_delivery: |unit, rows| unit.alerts().take_delivery(&rows.targets, MINUTE);
        delivered: |unit, rows| unit.alerts().delivered(&rows.delivery);
        delivery_failed: |unit, rows| unit.alerts().delivery_failed(&rows.delivery, "why", rows.now);
        forget_alerts: |unit, rows| unit.alerts().forget_alerts(rows.now);
    }
}
