//! The results of all clients as a table.

use serde::Deserialize;

/// Our workload; the same work in hand-written sqlx; and in Prisma. A list on the tables of the platform, without our
/// indexes, as people have written it; anything else in its fastest form with equal safety.
pub(crate) const PAIRS: &[[&str; 3]] = &[
    ["get_by_id_c1", "get_by_id_c1", "get_by_id_c1"],
    ["get_by_id_c16", "get_by_id_c16", "get_by_id_findfirst_c16"],
    ["get_by_id_c16_batched", "get_by_id_c16_batched", "get_by_id_c16"],
    ["scoped_read_rls_c1", "scoped_read_rls_d_drop_c1", "scoped_read_rls_c1"],
    ["scoped_read_rls_c16", "scoped_read_rls_d_drop_c16", "scoped_read_rls_c16"],
    ["scoped_read_rls_unit_c1", "scoped_read_rls_d_drop_c1", NONE],
    ["scoped_read_rls_unit_c16", "scoped_read_rls_d_drop_c16", NONE],
    ["raw_scoped_read_d_drop_c1", "scoped_read_rls_d_drop_c1", NONE],
    ["raw_scoped_read_d_drop_c16", "scoped_read_rls_d_drop_c16", NONE],
    ["list_page_c1", "list_page_c1", "list_page_c1"],
    ["list_page_c16", "list_page_c16", "list_page_c16"],
    ["list_page_big_c1", "list_page_big_c1", "list_page_big_c1"],
    ["list_page_big_c1_counted", "list_page_big_c1", "list_page_big_c1"],
    ["list_page_deep_c1", "list_page_deep_c1", "list_page_deep_c1"],
    ["list_page_big_c1_keyset", NONE, NONE],
    ["list_page_deep_c1_keyset", "list_page_deep_c1_keyset", "list_page_deep_c1"],
    ["scoped_list_rls_c1", "scoped_list_rls_c_c1", "scoped_list_rls_c1"],
    ["scoped_list_status_rls_c1", "scoped_list_status_rls_c_c1", "scoped_list_status_rls_c1"],
    ["create_request_with_tasks_c1", "create_request_with_tasks_c1_1stmt", "create_request_with_tasks_c1"],
    ["create_request_with_tasks_c8", "create_request_with_tasks_c8_1stmt", "create_request_with_tasks_c8"],
    ["bulk_update_status", "bulk_update_status", "bulk_update_status"],
    ["bulk_insert_tasks", "bulk_insert_tasks_unnest", "bulk_insert_tasks"],
    ["reset_monthly_usage", "reset_monthly_usage", "reset_monthly_usage"],
    ["cleanup_sessions", "cleanup_sessions", "cleanup_sessions"],
    ["save_read_connection_c1", "save_read_connection_c1", "save_read_connection_c1"],
    ["save_connection_returning_c1", "save_read_connection_c1", "save_read_connection_c1"],
    ["authenticated_page_c1", NONE, "authenticated_page_c1"],
    ["authenticated_page_c16", NONE, "authenticated_page_c16"],
];

/// The workloads that are measured at a distance unless others are named.
pub(crate) const AT_A_DISTANCE: [&str; 10] = [
    "scoped_read_rls_c1",
    "scoped_read_rls_c16",
    "list_page_c1",
    "list_page_c16",
    "create_request_with_tasks_c1",
    "create_request_with_tasks_c8",
    "save_read_connection_c1",
    "save_connection_returning_c1",
    "authenticated_page_c1",
    "authenticated_page_c16",
];

const NONE: &str = "-";

const HEAD: &str = "\
| workload | ours/s | p50 ms | total : server | raw sqlx/s | ours : raw | CPU ms | raw | CPU : raw | Prisma/s | ours : Prisma | MB | raw | Prisma |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// One printed line, with the fields of the table.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "impl")]
    client: String,
    workload: String,
    ops_per_s: f64,
    p50_ms: f64,
    cpu_s_per_1000: f64,
    rss_peak_mb: f64,
    rows: Option<u64>,
    /// The time of all operations, and the server's own part of it.
    secs: Option<f64>,
    server_s: Option<f64>,
    /// The distance to the server, if it was set.
    rtt_ms: Option<f64>,
    /// The pooler before the server, if there was one.
    pooler: Option<String>,
    /// Of our workloads, the one with which this line was measured. Several share one of a peer.
    pair: String,
    /// The time when the round began.
    round: u64,
}

impl Line {
    /// Returns operations per second. For bulk work, which runs a few times only, computed from the median.
    fn speed(&self) -> f64 {
        if self.rows.is_some() { 1e3 / self.p50_ms } else { self.ops_per_s }
    }

    /// Returns the whole time divided by the server's own.
    fn total_to_server(&self) -> Option<f64> {
        Some(self.secs? / self.server_s?)
    }
}

impl Line {
    /// Returns the heading of the lines with the same way to the server.
    fn way(&self) -> Option<String> {
        let distance = self.rtt_ms.map(|rtt| format!("A round trip takes {rtt} ms more than on one machine.\n\n"));
        distance.or_else(|| self.pooler.as_ref().map(|pooler| format!("All clients go through {pooler}.\n\n")))
    }
}

/// The lines of one client and workload, one for each round.
struct Rounds<'a>(Vec<&'a Line>);

impl Rounds<'_> {
    fn median(&self, figure: fn(&Line) -> f64) -> String {
        median(self.0.iter().map(|line| figure(line)).collect())
    }

    /// Returns the median of the rounds' ratios. A disturbance in a round affects both sides of its ratio. A round in
    /// which one of the two failed has none.
    fn ratio(&self, other: &Self, figure: fn(&Line) -> f64) -> String {
        let in_round = |round| other.0.iter().find(|line| line.round == round);
        let ratio = |ours: &&Line| Some(figure(ours) / figure(in_round(ours.round)?));
        median(self.0.iter().filter_map(ratio).collect())
    }
}

/// Returns a table for each way to the server, in the order of the lines in `text`, in Markdown, with medians of the
/// rounds. Lines that are not measurements are ignored.
pub(crate) fn of(text: &str) -> String {
    let lines: Vec<Line> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if lines.is_empty() {
        return HEAD.to_owned();
    }
    let mut ways = Vec::new();
    for way in lines.iter().map(Line::way) {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    let of_way = |way: Option<String>| {
        let lines: Vec<_> = lines.iter().filter(|line| line.way() == way).collect();
        way.unwrap_or_default() + &table(&lines)
    };
    ways.into_iter().map(of_way).collect::<Vec<_>>().join("\n")
}

fn table(lines: &[&Line]) -> String {
    let rounds = |pair: &str, client: &str, workload: &str| {
        let is = |line: &&&Line| line.pair == pair && line.client == client && line.workload == workload;
        Rounds(lines.iter().filter(is).copied().collect())
    };
    let row = |[own, raw, prisma]: &[&str; 3]| {
        let client = if own.starts_with("raw_") { "rylie-schema-raw-sqlx" } else { "rylie" };
        let (ours, raw, prisma) =
            (rounds(own, client, own), rounds(own, "raw-sqlx", raw), rounds(own, "prisma", prisma));
        let cells = [
            format!("`{own}`"),
            ours.median(Line::speed),
            ours.median(|line| line.p50_ms),
            median(ours.0.iter().filter_map(|line| line.total_to_server()).collect()),
            raw.median(Line::speed),
            ours.ratio(&raw, Line::speed),
            ours.median(|line| line.cpu_s_per_1000),
            raw.median(|line| line.cpu_s_per_1000),
            ours.ratio(&raw, |line| line.cpu_s_per_1000),
            prisma.median(Line::speed),
            ours.ratio(&prisma, Line::speed),
            ours.median(|line| line.rss_peak_mb),
            raw.median(|line| line.rss_peak_mb),
            prisma.median(|line| line.rss_peak_mb),
        ];
        (!ours.0.is_empty()).then(|| format!("| {} |\n", cells.join(" | ")))
    };
    HEAD.to_owned() + &PAIRS.iter().filter_map(row).collect::<String>()
}

/// Formats the median; empty without figures.
pub(crate) fn median(mut figures: Vec<f64>) -> String {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures[..] {
        [] => String::new(),
        _ if figures.len() % 2 == 1 => three_digits(figures[middle]),
        _ => three_digits(f64::midpoint(figures[middle - 1], figures[middle])),
    }
}

/// Formats a figure with three significant digits.
pub(crate) fn three_digits(figure: f64) -> String {
    match figure {
        100.0.. => format!("{figure:.0}"),
        10.0..100.0 => format!("{figure:.1}"),
        _ => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    fn line(round: u64, pair: &str, client: &str, workload: &str, speed: u32) -> String {
        format!(
            r#"{{"impl":"{client}","workload":"{workload}","conc":1,"ops_per_s":{speed},"p50_ms":0.5,"cpu_s_per_1000":0.2,"rss_peak_mb":9,"pair":"{pair}","round":{round}}}"#
        ) + "\n"
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        const OURS: &str = "scoped_read_rls_c1";
        let rounds = [(1, 100, 200), (2, 300, 300), (3, 50, 40)];
        let lines = rounds.map(|(round, ours, raw)| {
            let raw = line(round, OURS, "raw-sqlx", "scoped_read_rls_d_drop_c1", raw);
            line(round, OURS, "rylie", OURS, ours) + &raw
        });

        let table = of(&lines.concat());

        let row = "| `scoped_read_rls_c1` | 100 | 0.50 |  | 200 | 1.00 | 0.20 | 0.20 | 1.00 |  |  | 9.00 | 9.00 |  |\n";
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.ends_with(row), "{table}");
    }

    #[test]
    fn a_peers_workload_with_two_of_ours_has_a_line_for_each() {
        const PEER: &str = "scoped_read_rls_d_drop_c1";
        const PAIR: [&str; 2] = ["scoped_read_rls_c1", "scoped_read_rls_unit_c1"];
        let lines = |(round, raw): (u64, u32)| {
            PAIR.map(|own| line(round, own, "rylie", own, 100) + &line(round, own, "raw-sqlx", PEER, raw)).concat()
        };

        let table = of(&[(1, 100), (2, 50), (3, 25)].map(lines).concat());

        assert_eq!(table.matches("| 50.0 | 2.00 |").count(), 2, "{table}");
    }

    #[test]
    fn a_failed_line_shifts_no_other_round() {
        const OURS: &str = "scoped_read_rls_c1";
        let peer = |round, speed| line(round, OURS, "raw-sqlx", "scoped_read_rls_d_drop_c1", speed);
        let ours = |round| line(round, OURS, "rylie", OURS, 100);

        let table = of(&[ours(1), ours(2), peer(2, 50)].concat());

        assert!(table.contains("| 50.0 | 2.00 |"), "{table}");
    }

    #[test]
    fn the_whole_time_is_compared_with_the_servers() {
        let line = line(1, "bulk_update_status", "rylie", "bulk_update_status", 4);
        let line = line.replace('}', r#","rows":10000,"secs":0.75,"server_s":0.6}"#);

        assert!(
            of(&line)
                .ends_with("| `bulk_update_status` | 2000 | 0.50 | 1.25 |  |  | 0.20 |  |  |  |  | 9.00 |  |  |\n"),
            "{}",
            of(&line)
        );
    }

    #[test]
    fn each_way_to_the_server_has_a_table() {
        let ours = || line(1, "list_page_c1", "rylie", "list_page_c1", 100);
        let far = ours().replace('}', r#","rtt_ms":2}"#);
        let pooled = ours().replace('}', r#","pooler":"PgBouncer 1.18.0"}"#);

        let table = of(&[ours(), pooled, far].concat());

        let titles: Vec<_> = table.lines().filter(|line| !line.starts_with('|') && !line.is_empty()).collect();
        let expected =
            ["All clients go through PgBouncer 1.18.0.", "A round trip takes 2 ms more than on one machine."];
        assert_eq!((titles, table.matches("`list_page_c1`").count()), (expected.to_vec(), 3), "{table}");
    }

    #[test]
    fn a_failed_run_is_not_a_measurement() {
        assert_eq!(of(r#"{"impl":"prisma","workload":"get_by_id_c1","failed":true}"#), super::HEAD);
    }
}
