//! Normalises times on SQLite, where a time is a text. Times are compared as texts, so one instant needs one spelling.
//!
//! The spelling is the driver's: `2026-01-31 12:00:00`, and with milliseconds `2026-01-31 12:00:00.250`. The tables'
//! defaults and other writers also write `.000`. A trigger after the write converts every other spelling; a text that
//! is no time stays. A `CHECK` would require a rebuild of every table.
//!
//! Three are left out: `updatedAt`, which no statement compares; `deletedAt`, which is only compared with a limit; and
//! the audit log, which is append-only.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// Each table with its times. A later migration that rebuilds one of the tables must create its triggers again.
const TIMES: [(&str, &[&str]); 13] = [
    ("Agency", &["createdAt"]),
    (
        "User",
        &["emailVerified", "apiKeyCreatedAt", "currentBillingPeriodStart", "currentBillingPeriodEnd", "createdAt"],
    ),
    ("Session", &["expires"]),
    ("VerificationToken", &["expires"]),
    ("UserPreferences", &["createdAt"]),
    ("Request", &["completedAt", "createdAt"]),
    ("Task", &["dueDate", "startedAt", "completedAt", "createdAt"]),
    ("SEOWorksTaskMapping", &["createdAt"]),
    ("GA4Connection", &["expiresAt", "createdAt"]),
    ("SearchConsoleConnection", &["expiresAt", "createdAt"]),
    ("MonthlyUsage", &["archivedAt"]),
    ("UsageEvent", &["countedAt"]),
    ("SystemSettings", &["createdAt"]),
];

pub(crate) struct SpellTimesOneWay;

impl Migration for SpellTimesOneWay {
    fn name(&self) -> &'static str {
        "m20261126_000036_spell_times_one_way"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            // PostgreSQL stores times as numbers.
            Engine::Postgres => Vec::new(),
            Engine::Sqlite => TIMES.iter().flat_map(|(table, columns)| one_spelling(table, columns)).collect(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        let drop = |table, event| Step::sql(format!("DROP TRIGGER \"{}\"", name(table, event)));
        match engine {
            Engine::Postgres => Vec::new(),
            Engine::Sqlite => {
                TIMES.iter().flat_map(|(table, _)| ["insert", "update"].map(|event| drop(table, event))).collect()
            }
        }
    }
}

/// Returns the steps that convert a table's times, and its triggers. Later tables use the triggers, too.
pub(crate) fn one_spelling(table: &str, columns: &[&str]) -> Vec<Step> {
    let any = |row: &str| columns.iter().map(|column| otherwise(row, column)).collect::<Vec<_>>().join(" OR ");
    let set = columns.iter().map(|column| format!("\"{column}\" = {}", spelled(column))).collect::<Vec<_>>().join(", ");
    let named = columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ");
    let trigger = |event: &str, on: &str| {
        Step::sql(format!(
            "CREATE TRIGGER \"{}\" AFTER {on} ON \"{table}\" WHEN {} BEGIN UPDATE \"{table}\" SET {set} WHERE rowid = NEW.rowid; END",
            name(table, event),
            any("NEW.")
        ))
    };
    vec![
        Step::sql(format!("UPDATE \"{table}\" SET {set} WHERE {}", any(""))),
        trigger("insert", "INSERT"),
        trigger("update", &format!("UPDATE OF {named}")),
    ]
}

fn name(table: &str, event: &str) -> String {
    format!("{table}_times_{event}")
}

/// Returns the condition that a time has another spelling, or is none.
fn otherwise(row: &str, column: &str) -> String {
    let column = format!("{row}\"{column}\"");
    format!(
        "{column} NOT GLOB '????-??-?? ??:??:??' AND ({column} NOT GLOB '????-??-?? ??:??:??.???' OR {column} GLOB '*.000')"
    )
}

/// Returns the normalised time of a column; a text that is no time stays.
fn spelled(column: &str) -> String {
    format!("coalesce(replace(strftime('%Y-%m-%d %H:%M:%f', \"{column}\"), '.000', ''), \"{column}\")")
}
