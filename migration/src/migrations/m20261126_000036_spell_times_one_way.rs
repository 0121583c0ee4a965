//! On SQLite a time is a text, and one instant must have one spelling: times are compared as texts.
//!
//! The spelling is that of the driver: `2026-01-31 12:00:00`, and with milliseconds `2026-01-31 12:00:00.250`. The tables'
//! own defaults and other writers also write `.000`. A trigger after the write brings every other spelling into this form; a
//! text that is no time stays. A `CHECK` would take every table to be made anew. Left out are `updatedAt`, which no statement
//! compares, `deletedAt`, which is only compared with a limit, and the audit log, which is only added to.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// Each table with its times. A later migration that makes one of the tables anew makes its triggers again.
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
            // A time is a number there.
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

fn one_spelling(table: &str, columns: &[&str]) -> Vec<Step> {
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

/// That a time has another spelling, or is none.
fn otherwise(row: &str, column: &str) -> String {
    let column = format!("{row}\"{column}\"");
    format!(
        "{column} NOT GLOB '????-??-?? ??:??:??' AND ({column} NOT GLOB '????-??-?? ??:??:??.???' OR {column} GLOB '*.000')"
    )
}

/// The one spelling of a column's time; what is no time stays as it is.
fn spelled(column: &str) -> String {
    format!("coalesce(replace(strftime('%Y-%m-%d %H:%M:%f', \"{column}\"), '.000', ''), \"{column}\")")
}
