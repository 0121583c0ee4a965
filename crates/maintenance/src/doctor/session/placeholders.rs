//! The words in braces of a check's statement.
//!
//! | word | becomes |
//! |---|---|
//! | `{w}`, `{c}` | the thresholds |
//! | `{now}` | the present time, UTC |
//! | `{before_w}`, `{before_c}` | the present time minus the thresholds in days |
//! | `{ago N}` | the present time minus N days, for 1, 2, 30, 60, 90 and 180 |
//! | `{in 180}` | the present time plus 180 days |
//! | `{query}` | the beginning of `query`, without values |
//! | `{kind}` | the kind of a session of `pg_stat_activity` |
//! | `{own_indexes}`, `{own_functions}` | lists of names |
//! | `{keys}`, `{active_key}` | the keys of the keyring |
//! | `{quota …}` | a package's quota by kind |
//! | `{not_ours}` | that `query` reads no catalog and is none of a diagnosis |
//! | `{tenant_tables}` | the tables with a tenant key, as a subquery |

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rylie_driver::literal;

use crate::doctor::facts::DoctorFacts;
use crate::doctor::report::Limits;

/// A statement is cut at its first literal, and its numbers are masked: values of parameters are never shown.
const QUERY: &str = "left(regexp_replace(regexp_replace(coalesce(substring(query from '^[^''$]*'), ''), '[0-9]+', '?', 'g'), \
     '\\s+', ' ', 'g'), 80)";

/// A diagnosis must not be what it finds slow.
const NOT_OURS: &str = r"query !~ '\mpg_[a-z_]+|FILTER \(WHERE missing\)|TABLESAMPLE SYSTEM'";

/// Kinds that are never ended without force, except clients. A service names its sessions `rylie/` and its program, and is a
/// client.
pub(crate) const KIND: &str = "CASE WHEN backend_type <> 'client backend' THEN backend_type \
     WHEN application_name ~ '^(pg_dump|pg_dumpall|pg_restore|pg_basebackup|pg_receivewal|pgbackrest|pgBackRest|barman|wal-g)' THEN 'backup' \
     WHEN application_name ~ '^rylie[ /](migrate|adopt)' THEN 'migration' \
     WHEN application_name ~ '^rylie[ /](backup|pitr)( |$)' THEN 'backup' \
     WHEN application_name ~ '^rylie[ /](audit|doctor|drift|environment|keys|maintain|maintenance|roles|seed|size|tenant)( |$)' \
     THEN 'maintenance' ELSE 'client' END";

const TENANT_TABLES: &str = "(SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, \
     c.relowner, c.reltuples, CASE WHEN c.relnamespace = 'public'::regnamespace THEN quote_ident(c.relname) ELSE format('%I.%I', n.nspname, c.relname) END AS name, \
     a.attnum AS tenant_column, a.attnotnull AS tenant_set \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenantId' AND NOT a.attisdropped \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')";

/// Replaces the words of a statement.
pub(crate) fn fill(sql: &str, facts: &DoctorFacts, limits: &Limits, is_sqlite: bool) -> String {
    let time = |at: DateTime<Utc>| {
        let text = at.format("%F %T");
        if is_sqlite { format!("'{text}'") } else { format!("timestamp '{text}'") }
    };
    let days = |days: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and the sum is checked")]
        let seconds = (days * 86_400.0) as i64;
        TimeDelta::try_seconds(seconds)
            .and_then(|span| facts.at.checked_sub_signed(span))
            .unwrap_or(DateTime::<Utc>::MIN_UTC)
    };
    let keys = facts.keys.as_deref().unwrap_or_default();
    let mut filled = sql
        .replace("{w}", &limits.warning.to_string())
        .replace("{c}", &limits.critical.to_string())
        .replace("{now}", &time(facts.at))
        .replace("{in 180}", &time(facts.at + TimeDelta::days(180)))
        .replace("{kind}", KIND)
        .replace("{query}", QUERY)
        .replace("{not_ours}", NOT_OURS)
        .replace("{tenant_tables}", TENANT_TABLES)
        .replace("{own_indexes}", &list(&facts.own_indexes))
        .replace("{own_functions}", &list(&facts.own_functions))
        .replace("{keys}", &list(&keys.iter().cloned().collect()))
        .replace("{active_key}", &literal(keys.first().map_or("", String::as_str)));
    for (word, limit) in [("{before_w}", limits.warning), ("{before_c}", limits.critical)] {
        if filled.contains(word) {
            filled = filled.replace(word, &time(days(limit)));
        }
    }
    for number in [1, 2, 30, 60, 90, 180] {
        let word = format!("{{ago {number}}}");
        if filled.contains(&word) {
            filled = filled.replace(&word, &time(days(f64::from(number))));
        }
    }
    for (number, kind) in ["pages", "blogs", "gbpPosts", "improvements"].iter().enumerate() {
        let cases = facts.quotas.iter().map(|(package, quota)| format!("WHEN '{package}' THEN {}", quota[number]));
        let cases = cases.collect::<Vec<_>>().join(" ");
        let quota = if cases.is_empty() {
            "NULL".to_owned()
        } else {
            format!("(CASE CAST(\"activePackageType\" AS text) {cases} END)")
        };
        filled = filled.replace(&format!("{{quota {kind}}}"), &quota);
    }
    filled
}

/// Wraps a statement so that its rows are text and only findings count.
pub(crate) fn wrapped(sql: &str) -> String {
    given(sql, &[])
}

/// As [`wrapped`], with views replaced by statements.
pub(crate) fn given(sql: &str, views: &[(&str, &str)]) -> String {
    let views = views.iter().map(|(name, rows)| format!("{name} AS ({rows}), ")).collect::<Vec<_>>().concat();
    format!(
        "WITH {views}q(level, object, detail, fix, lock) AS ({sql}) SELECT CAST(level AS text), CAST(object AS text), CAST(detail AS text), \
         CAST(fix AS text), CAST(lock AS text) FROM q WHERE level IS NOT NULL \
         ORDER BY CASE level WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, object LIMIT 200"
    )
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "''".to_owned();
    }
    names.iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
}
