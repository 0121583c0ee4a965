//! The results of several paths to the server as a table, with columns for each path.

use serde::Deserialize;

use crate::Result;
use crate::table::median;

/// One line of a workload, with the path to the server.
#[derive(Deserialize)]
struct Line {
    path: String,
    round: u32,
    workload: String,
    ops: u32,
    /// None for bulk work, which has no warm-up.
    #[serde(default)]
    warm_ops: u32,
    ops_per_s: f64,
    /// The transactions that the replica counted during the run, if the path has one.
    on_replica: Option<u32>,
}

impl Line {
    /// Returns the replica's transactions for each operation.
    fn share(&self) -> Option<f64> {
        Some(f64::from(self.on_replica?) / f64::from(self.ops + self.warm_ops))
    }
}

/// Returns the table of the lines in `text`, in Markdown, with medians of the rounds. A ratio is the median of the rounds'
/// ratios to the first path.
///
/// Fails unless every path has every workload in every round.
pub(crate) fn of(text: &str) -> Result<String> {
    let lines: Vec<Line> = text.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
    let (paths, workloads) = (distinct(&lines, |line| &line.path), distinct(&lines, |line| &line.workload));
    let first = *paths.first().ok_or("the file has no lines")?;
    let rounds = lines.iter().map(|line| line.round).max().unwrap_or_default();
    let of = |workload: &str, path: &str| {
        let at =
            |round| lines.iter().find(|line| (&*line.workload, &*line.path, line.round) == (workload, path, round));
        let found: Option<Vec<&Line>> = (1..=rounds).map(at).collect();
        found.ok_or_else(|| format!("a round has no line of {workload} by the path {path}; run it again"))
    };
    let replicated = |path: &str| lines.iter().any(|line| line.path == path && line.on_replica.is_some());
    let mut head = vec!["workload".to_owned()];
    for path in &paths {
        head.push(format!("{path}/s"));
        head.extend((*path != first).then(|| "ratio".to_owned()));
        head.extend(replicated(path).then(|| "its transactions per operation".to_owned()));
    }
    let mut table = format!("| {} |\n|---|{}\n", head.join(" | "), "--:|".repeat(head.len() - 1));
    for workload in workloads {
        let direct = of(workload, first)?;
        let mut row = vec![format!("`{workload}`")];
        for path in &paths {
            let found = of(workload, path)?;
            row.push(median(found.iter().map(|line| line.ops_per_s).collect()));
            let ratios = found.iter().zip(&direct).map(|(line, direct)| line.ops_per_s / direct.ops_per_s);
            row.extend((*path != first).then(|| median(ratios.collect())));
            row.extend(replicated(path).then(|| median(found.iter().filter_map(|line| line.share()).collect())));
        }
        table.push_str(&["| ", &row.join(" | "), " |\n"].concat());
    }
    Ok(table)
}

/// Returns the distinct texts in the order of the lines.
fn distinct(lines: &[Line], text: fn(&Line) -> &String) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for line in lines.iter().map(|line| &**text(line)) {
        if !found.contains(&line) {
            found.push(line);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::of;

    fn line(path: &str, round: u32, speed: u32, more: &str) -> String {
        let ops = speed * 2;
        format!(
            r#"{{"impl":"rylie","workload":"list_page_c1","ops":{ops},"ops_per_s":{speed},"warm_ops":{ops},"path":"{path}","round":{round}{more}}}"#
        ) + "\n"
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        let rounds = [(100, 50, 400), (200, 80, 804), (50, 45, 200)];
        let lines = (1..).zip(rounds).map(|(round, (direct, pooled, replicated))| {
            let transactions = format!(r#","on_replica":{replicated}"#);
            line("direct", round, direct, "")
                + &line("PgBouncer 1", round, pooled, "")
                + &line("replica", round, direct, &transactions)
        });

        let table = of(&lines.collect::<String>()).unwrap();

        let head =
            "| workload | direct/s | PgBouncer 1/s | ratio | replica/s | ratio | its transactions per operation |\n";
        let row = "| `list_page_c1` | 100 | 50.0 | 0.50 | 100 | 1.00 | 1.00 |\n";
        assert_eq!(table, format!("{head}|---|--:|--:|--:|--:|--:|--:|\n{row}"));
    }

    #[test]
    fn every_path_has_a_line_in_every_round() {
        let first = line("direct", 1, 100, "") + &line("replica", 1, 100, "");
        assert!(of(&first).is_ok());
        let error = of(&[first, line("direct", 2, 100, "")].concat()).unwrap_err();
        assert!(error.to_string().contains("list_page_c1 by the path replica"), "{error}");
        assert!(of("").is_err() && of("no line").is_err());
    }
}
