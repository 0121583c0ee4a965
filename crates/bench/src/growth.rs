//! The results of several sizes of the data set as tables, with a column for each size.

use serde_json::Value;

use crate::table::three_digits;

/// A table: its title, and its rows.
struct Topic(&'static str, &'static [Row]);

/// A row: its label, the workload or step, and the field of its lines.
struct Row(&'static str, &'static str, &'static str);

const TOPICS: &[Topic] = &[
    Topic(
        "The data",
        &[
            Row("agencies", "fill", "agencies"),
            Row("users", "fill", "users"),
            Row("filled in, s", "fill", "secs"),
            Row("database, MB", "fill", "database_mb"),
            Row("requests with indexes, MB", "fill", "requests_mb"),
        ],
    ),
    Topic(
        "Reads: median, ms",
        &[
            Row("a request by id", "get_by_id_c1", "p50_ms"),
            Row("first page and total of a small tenant, by status", "list_page_c1", "p50_ms"),
            Row("first page of a walk, small tenant", "list_page_c1_keyset", "p50_ms"),
            Row("first page of a walk, large tenant", "list_page_big_c1_keyset", "p50_ms"),
            Row("page in the middle of that walk", "list_page_deep_c1_keyset", "p50_ms"),
            Row("first page and total of the large tenant, by status", "list_page_big_c1", "p50_ms"),
        ],
    ),
    Topic(
        "Writes: median, ms",
        &[
            Row("a request with ten tasks", "create_request_with_tasks_c1", "p50_ms"),
            Row("count a use", "count_use_c1", "p50_ms"),
            Row("append an audit record", "audit_append_c1", "p50_ms"),
            Row("newest 50 audit records of a tenant (a read)", "audit_page_c1", "p50_ms"),
        ],
    ),
    Topic(
        "Jobs",
        &[
            Row("closed periods", "reset_monthly_usage", "rows"),
            Row("… per second", "reset_monthly_usage", "rows_per_s"),
            Row("… longest batch, ms", "reset_monthly_usage", "longest_batch_ms"),
            Row("… peak memory, MB", "reset_monthly_usage", "rss_peak_mb"),
            Row("removed sessions", "cleanup_sessions", "rows"),
            Row("… per second", "cleanup_sessions", "rows_per_s"),
            Row("… longest batch, ms", "cleanup_sessions", "longest_batch_ms"),
            Row("removed usage events", "remove_usage_events", "rows"),
            Row("… per second", "remove_usage_events", "rows_per_s"),
            Row("… longest batch, ms", "remove_usage_events", "longest_batch_ms"),
        ],
    ),
    Topic(
        "The audit log",
        &[
            Row("records", "verify", "records"),
            Row("log and seals with indexes, MB", "audit-size", "audit_mb"),
            Row("sealed per second", "seal", "records_per_s"),
            Row("… peak memory, MB", "seal", "rss_peak_mb"),
            Row("verified per second", "verify", "records_per_s"),
            Row("… peak memory, MB", "verify", "rss_peak_mb"),
        ],
    ),
];

/// Returns the tables of the lines in `text`, in Markdown. Rows without lines are left out.
pub(crate) fn of(text: &str) -> String {
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut sizes: Vec<u64> = lines.iter().filter_map(|line| line["size"].as_u64()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    TOPICS.iter().filter_map(|one| topic(one, &lines, &sizes)).collect::<Vec<_>>().join("\n")
}

fn topic(Topic(title, rows): &Topic, lines: &[Value], sizes: &[u64]) -> Option<String> {
    let row = |Row(label, of, field): &Row| {
        let cells: Vec<_> = sizes.iter().map(|size| cell(lines, *size, of, field)).collect();
        cells.iter().any(|cell| !cell.is_empty()).then(|| format!("| {label} | {} |\n", cells.join(" | ")))
    };
    let body: String = rows.iter().filter_map(row).collect();
    let head: Vec<_> = sizes.iter().map(|size| grouped(&size.to_string())).collect();
    (!body.is_empty())
        .then(|| format!("| {title} | {} |\n|---|{}\n{body}", head.join(" | "), "--:|".repeat(sizes.len())))
}

/// Formats the best figure of the rounds, because other load on the machine only slows: the shortest time, the highest
/// rate. Of memory it is the largest.
fn cell(lines: &[Value], size: u64, of: &str, field: &str) -> String {
    let here = lines.iter().filter(|line| line["size"] == size && (line["workload"] == of || line["step"] == of));
    let figures = here.map(|line| &line[field]).filter(|figure| figure.is_number());
    let order = |one: &&Value, other: &&Value| {
        let order = one.as_f64().unwrap_or_default().total_cmp(&other.as_f64().unwrap_or_default());
        if field.ends_with("_ms") { order.reverse() } else { order }
    };
    let Some(best) = figures.max_by(order) else { return String::new() };
    best.as_u64().map_or_else(|| three_digits(best.as_f64().unwrap_or_default()), |whole| grouped(&whole.to_string()))
}

/// Separates the thousands of a whole number.
fn grouped(number: &str) -> String {
    let comma = |(at, digit): (usize, char)| {
        let separated = at > 0 && (number.len() - at).is_multiple_of(3);
        separated.then_some(',').into_iter().chain([digit])
    };
    number.chars().enumerate().flat_map(comma).collect()
}

#[cfg(test)]
mod tests {
    use super::{grouped, of};

    #[test]
    fn each_size_is_a_column() {
        let lines = r#"
{"workload":"cleanup_sessions","rows":5000,"rows_per_s":90000,"longest_batch_ms":55.5,"size":100000}
{"workload":"cleanup_sessions","rows":50000,"rows_per_s":80000,"longest_batch_ms":155.5,"size":1000000}
{"workload":"cleanup_sessions","rows":50000,"rows_per_s":70000,"longest_batch_ms":99.5,"size":1000000}
{"workload":"get_by_id_c1","p50_ms":0.1,"size":1000000}
{"step":"seal","median_records_per_s":1,"size":100000}
"#;

        let reads = "| Reads: median, ms | 100,000 | 1,000,000 |\n|---|--:|--:|\n| a request by id |  | 0.10 |\n";
        let jobs = "| Jobs | 100,000 | 1,000,000 |\n|---|--:|--:|\n| removed sessions | 5,000 | 50,000 |\n\
                    | … per second | 90,000 | 80,000 |\n| … longest batch, ms | 55.5 | 99.5 |\n";
        assert_eq!(of(lines), format!("{reads}\n{jobs}"));
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(["1", "999", "1000", "1234567"].map(grouped), ["1", "999", "1,000", "1,234,567"]);
    }
}
