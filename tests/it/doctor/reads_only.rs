//! A run reads only: the server's log of a whole run has no other statement, and its counters of written rows stay.

use rylie_testkit::Cluster;

use super::plants::PEOPLE;
use super::{diagnose, seeded};
use crate::support::raw::Raw;

/// The rows that statements of a database changed.
const WRITTEN: &str =
    "SELECT (tup_inserted + tup_updated + tup_deleted)::text FROM pg_stat_database WHERE datname = current_database()";

/// Words that write, outside of a read-only transaction.
const WRITES: [&str; 14] = [
    "insert", "update", "delete", "merge", "truncate", "alter", "create", "drop", "grant", "revoke", "copy", "vacuum",
    "reindex", "nextval",
];

/// Returns the statements of the log after a mark.
fn statements(log: &str, database: &str, mark: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut ours = false;
    for line in log.split(mark).nth(1).unwrap_or_default().lines() {
        // The prefix of the log: `@database@application@ LOG:  …`.
        if let Some(rest) = line.strip_prefix('@') {
            let mut parts = rest.splitn(3, '@');
            let (of, application, text) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            let text = text.trim_start().strip_prefix("LOG:  ").unwrap_or_default();
            let sql = text
                .strip_prefix("statement: ")
                .or_else(|| text.strip_prefix("execute ")?.split_once(": ").map(|(_, sql)| sql));
            ours = of == database && application != "tester" && sql.is_some();
            if let Some(sql) = sql.filter(|_| ours) {
                found.push(sql.to_owned());
            }
        } else if ours && let Some(last) = found.last_mut() {
            last.push('\n');
            last.push_str(line.trim());
        }
    }
    found
}

/// Returns the text without its comments and quoted parts, in lower case.
fn unquoted(sql: &str) -> String {
    let sql: Vec<&str> = sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code)).collect();
    let sql = sql.join("\n").trim().to_owned();
    let outside = |quote: char, text: &str| text.split(quote).step_by(2).collect::<Vec<_>>().join(" ");
    outside('"', &outside('\'', &sql)).to_lowercase()
}

/// Whether a statement cannot change a row.
fn reads(sql: &str) -> bool {
    let text = unquoted(sql);
    if text.starts_with("begin read only;") && text.trim_end().ends_with("rollback") {
        return true;
    }
    // The probe's writes name no existing row and are rolled back.
    if text.starts_with("begin read write;") {
        return text.trim_end().ends_with("rollback")
            && (sql.contains("rylie doctor probe")
                || sql.contains("rylie-doctor-probe")
                || sql.contains("WHERE id = 0"));
    }
    let words: Vec<&str> = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let begins = words.first().is_some_and(|word| {
        [
            "begin", "select", "with", "set", "show", "explain", "rollback", "commit", "values", "start", "discard",
            "reset",
        ]
        .contains(word)
    });
    begins && !words.iter().any(|word| WRITES.contains(word))
}

#[tokio::test]
async fn every_statement_of_a_whole_run_only_reads() {
    let cluster = Cluster::private().await.unwrap();
    let database = seeded(&cluster).await;
    let mut raw = Raw::connect(&database.url()).await;
    raw.run("SET application_name = 'tester'").await;
    raw.run(PEOPLE).await;
    let data = raw.rows("SHOW data_directory").await.unwrap().remove(0);
    for setting in ["log_statement = 'all'", "log_line_prefix = '@%d@%a@ '"] {
        raw.run(&format!("ALTER SYSTEM SET {setting}")).await;
    }
    raw.run("SELECT pg_reload_conf()::text").await;
    while raw.rows("SHOW log_statement").await.unwrap() != ["all"] {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    raw.run("SELECT pg_stat_force_next_flush()::text").await;
    let before = raw.rows(WRITTEN).await.unwrap();
    raw.run("SELECT 'the run begins'").await;

    let report = diagnose(&database.url(), &[]).await;
    diagnose(&database.url(), &["shardable"]).await;

    assert!(report.check("server.reachable").is_some_and(|check| !check.status.is_finding()), "{report:?}");
    let log = std::fs::read_to_string(std::path::Path::new(&data).parent().unwrap().join("log")).unwrap();
    let statements = statements(&log, database.name(), "the run begins");
    assert!(statements.len() > report.checks.len() / 2, "only {} statements were logged", statements.len());
    let writes: Vec<&String> = statements.iter().filter(|sql| !reads(sql)).collect();
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(raw.rows(WRITTEN).await.unwrap(), before, "rows were written");
}

#[test]
fn a_statement_that_writes_is_told_from_one_that_reads() {
    for sql in [
        "SELECT 'DROP TABLE x' FROM \"update\"",
        "BEGIN READ ONLY; SET LOCAL statement_timeout = 1; SELECT updated_at FROM t; ROLLBACK",
        "BEGIN READ WRITE; DELETE FROM t WHERE id = 'rylie doctor probe'; ROLLBACK",
        "COMMIT",
        "-- it's no INSERT\nSELECT 1",
    ] {
        assert!(reads(sql), "{sql}");
    }
    for sql in [
        "INSERT INTO t VALUES (1)",
        "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1",
        "BEGIN; UPDATE t SET a = 1",
        "BEGIN READ WRITE; DELETE FROM t WHERE id = 'rylie doctor probe'; COMMIT",
        "SELECT nextval('x')",
    ] {
        assert!(!reads(sql), "{sql}");
    }
}
