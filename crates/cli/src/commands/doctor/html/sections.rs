//! The parts of the page with measurements.

use rylie_db::maintenance::{DoctorReport, TenantWork, WaitEdge, pretty_bytes};

use super::{charts, escaped, put};

/// Depth of the blocking tree that is shown.
const DEEPEST: usize = 10;

#[expect(clippy::cast_precision_loss, reason = "a value of a chart")]
fn value(number: i64) -> f64 {
    number as f64
}

pub(super) fn changes(body: &mut String, report: &DoctorReport) {
    let Some(changes) = &report.changes else { return };
    put(body, &format!("<section><h2>Changed since {}</h2>\n", changes.since.format("%F %T")));
    if changes.other_database {
        put(body, "<p>The earlier run was of another database.</p>\n");
    }
    put(
        body,
        "<div class=\"wide\"><table><thead><tr><th>subject</th><th>name</th><th>before</th><th>now</th></tr></thead><tbody>\n",
    );
    let all = [
        ("check", &changes.checks),
        ("setting", &changes.settings),
        ("plan", &changes.plans),
        ("size", &changes.sizes),
    ];
    for (kind, changes) in all {
        for change in changes {
            let text = |value: Option<&str>| escaped(value.unwrap_or("none"));
            put(
                body,
                &format!(
                    "<tr><td>{kind}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                    escaped(&change.name),
                    text(change.before.as_deref()),
                    text(change.after.as_deref())
                ),
            );
        }
    }
    put(body, "</tbody></table></div></section>\n");
}

pub(super) fn sizes(body: &mut String, report: &DoctorReport) {
    let data = &report.data;
    if data.table_bytes.is_empty() && data.database_bytes.is_none() {
        return;
    }
    put(body, "<section><h2>Sizes and growth</h2>\n");
    if let Some(bytes) = data.database_bytes {
        let full = data.days_until_full.map(|days| format!("; the disk is full in {days} days")).unwrap_or_default();
        put(body, &format!("<p>The database has {}{full}.</p>\n", escaped(&pretty_bytes(bytes))));
    }
    let mut tables: Vec<_> = data.table_bytes.iter().collect();
    tables.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
    let rows: Vec<_> =
        tables.into_iter().take(15).map(|(name, bytes)| (name.clone(), value(*bytes), pretty_bytes(*bytes))).collect();
    put(body, &charts::bars("Largest tables, with their indexes", &rows));
    if let (Some(first), Some(last)) = (data.growth.first(), data.growth.last()) {
        let points: Vec<_> =
            data.growth.iter().map(|point| (value(point.at.timestamp()), value(point.bytes))).collect();
        let least = data.growth.iter().map(|point| point.bytes).min().unwrap_or_default();
        let most = data.growth.iter().map(|point| point.bytes).max().unwrap_or_default();
        let labels = [
            first.at.format("%F").to_string(),
            last.at.format("%F").to_string(),
            pretty_bytes(least),
            pretty_bytes(most),
        ];
        put(body, &charts::line("Size of the database", &points, [&labels[0], &labels[1], &labels[2], &labels[3]]));
    }
    if !data.tenants.is_empty() {
        let rows: Vec<_> = data
            .tenants
            .iter()
            .map(|tenant| {
                (
                    tenant.tenant.clone(),
                    value(tenant.rows),
                    format!("{} rows, {}{}", tenant.rows, pretty_bytes(tenant.bytes), worked(tenant.work.as_ref())),
                )
            })
            .collect();
        put(body, &charts::bars("Largest tenants, estimated", &rows));
    }
    put(body, "</section>\n");
}

/// The work of a tenant's units, where the run was made by the service.
fn worked(work: Option<&TenantWork>) -> String {
    work.map_or_else(String::new, |work| format!("; {} statements, {} ms", work.statements, work.ms))
}

pub(super) fn activity(body: &mut String, report: &DoctorReport) {
    let data = &report.data;
    if data.connections.is_empty() {
        return;
    }
    put(body, "<section><h2>Activity</h2>\n");
    let mut rows: Vec<_> =
        data.connections.iter().map(|(name, number)| (name.clone(), value(*number), number.to_string())).collect();
    rows.sort_by(|one, other| other.1.total_cmp(&one.1));
    rows.truncate(15);
    put(body, &charts::bars("Connections by login, application and state", &rows));
    if data.waits.is_empty() {
        put(body, "<p>No session waits for a lock.</p>\n");
    } else {
        put(body, "<h3>Blocking tree</h3>\n<ul>");
        let roots: std::collections::BTreeSet<i64> = data
            .waits
            .iter()
            .map(|edge| edge.blocker)
            .filter(|pid| data.waits.iter().all(|edge| edge.waiter != *pid))
            .collect();
        for root in roots {
            let does = data
                .waits
                .iter()
                .find(|edge| edge.blocker == root)
                .map(|edge| edge.blocker_does.as_str())
                .unwrap_or_default();
            put(body, &format!("<li><b>pid {root}</b> {}", escaped(does)));
            waiters(body, root, &data.waits, 0);
            put(body, "</li>");
        }
        put(body, "</ul>\n");
    }
    put(body, "</section>\n");
}

fn waiters(body: &mut String, blocker: i64, waits: &[WaitEdge], depth: usize) {
    let waiting: Vec<_> = waits.iter().filter(|edge| edge.blocker == blocker).collect();
    if waiting.is_empty() || depth >= DEEPEST {
        return;
    }
    put(body, "<ul>");
    for edge in waiting {
        put(body, &format!("<li>pid {} waits for {} s", edge.waiter, edge.seconds));
        waiters(body, edge.waiter, waits, depth + 1);
        put(body, "</li>");
    }
    put(body, "</ul>");
}

pub(super) fn statements(body: &mut String, report: &DoctorReport) {
    if report.data.statements.is_empty() {
        return;
    }
    put(
        body,
        "<section><h2>Statements with the most time</h2>\n<div class=\"wide\"><table><thead><tr><th>total ms</th><th>mean ms</th><th>calls</th><th>statement</th></tr></thead><tbody>\n",
    );
    for statement in report.data.statements.iter().take(20) {
        put(
            body,
            &format!(
                "<tr><td>{:.0}</td><td>{:.2}</td><td>{}</td><td><code>{}</code></td></tr>\n",
                statement.total_ms,
                statement.mean_ms,
                statement.calls,
                escaped(&statement.text)
            ),
        );
    }
    put(body, "</tbody></table></div></section>\n");
}

pub(super) fn operation(body: &mut String, report: &DoctorReport) {
    let data = &report.data;
    if data.jobs.is_empty() && data.backups.is_empty() {
        return;
    }
    put(body, "<section><h2>Jobs and backups</h2>\n");
    let shown = |at: Option<_>| {
        at.map_or_else(|| "never".to_owned(), |at: chrono::DateTime<chrono::Utc>| at.format("%F %H:%M").to_string())
    };
    let jobs: Vec<_> = data
        .jobs
        .iter()
        .map(|job| {
            (
                job.job.clone(),
                job.last_run.map(|at| value(at.timestamp())),
                format!("{} {}", job.status, shown(job.last_run)),
            )
        })
        .collect();
    if !jobs.is_empty() {
        put(body, &charts::timeline("Last run of each job", &jobs));
    }
    let backups: Vec<_> = data
        .backups
        .iter()
        .take(15)
        .map(|backup| {
            let proof = backup.verified_at.map_or("not verified", |_| "verified");
            (
                backup.id.clone(),
                backup.made_at.map(|at| value(at.timestamp())),
                format!("{proof}, {}", pretty_bytes(i64::try_from(backup.bytes).unwrap_or(i64::MAX))),
            )
        })
        .collect();
    if !backups.is_empty() {
        put(body, &charts::timeline("Backups", &backups));
    }
    put(body, "</section>\n");
}
