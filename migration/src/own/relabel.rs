//! The steps that replace the labels of a column.

use super::create_table::check_of_labels;
use crate::step::{Engine, Step};

pub(super) fn steps(table: &str, column: &str, before: &[&str], after: &[&str], engine: Engine) -> Vec<Step> {
    let check = check_of_labels(table, column, after);
    match engine {
        Engine::Postgres => on_postgres(table, column, after, &check),
        Engine::Sqlite => on_sqlite(table, column, &check_of_labels(table, column, before), &check),
    }
}

fn on_postgres(table: &str, column: &str, after: &[&str], check: &str) -> Vec<Step> {
    let constraint = format!("{table}_{column}_check");
    let labels = after.join("', '");
    vec![
        // Before the old check goes, so that a failure changes nothing. Row-level security hides the rows from the owner,
        // so the platform role reads them.
        Step::sql(format!(
            "DO $$ DECLARE worker text := current_user; BEGIN \
             PERFORM set_config('role', 'rylie_platform', true), set_config('row_security', 'on', true); \
             IF EXISTS (SELECT FROM public.\"{table}\" WHERE \"{column}\" NOT IN ('{labels}')) \
             THEN RAISE check_violation USING MESSAGE = 'a row of {table} has a label of {column} that is removed'; \
             END IF; PERFORM set_config('role', worker, true); END $$"
        )),
        Step::sql(format!("ALTER TABLE \"{table}\" DROP CONSTRAINT IF EXISTS \"{constraint}\", ADD {check} NOT VALID")),
        // Separate: it reads all rows, and lets others write.
        Step::sql(format!("ALTER TABLE \"{table}\" VALIDATE CONSTRAINT \"{constraint}\"")),
    ]
}

/// SQLite cannot replace a check. Its documentation describes the change of the stored text of a table
/// (<https://www.sqlite.org/lang_altertable.html#otheralter>). A table that goes again has the new check, and a second
/// one that the text was found: either fails the transaction.
fn on_sqlite(table: &str, column: &str, before: &str, after: &str) -> Vec<Step> {
    let probe = format!("{table}__labels");
    let quoted = |check: &str| check.replace('\'', "''");
    let (old, new) = (quoted(before), quoted(after));
    let stored = format!("type = 'table' AND name = '{table}'");
    vec![
        Step::sql(format!(
            "CREATE TABLE \"{probe}\" (\"{column}\" TEXT, found INTEGER CONSTRAINT \"{table}_{column}_replaced\" \
             CHECK (found), {after})"
        )),
        Step::sql(format!("INSERT INTO \"{probe}\" (\"{column}\") SELECT DISTINCT \"{column}\" FROM \"{table}\"")),
        Step::sql("PRAGMA writable_schema = ON"),
        Step::sql(format!("UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE {stored}")),
        Step::sql("PRAGMA writable_schema = RESET"),
        Step::sql(format!(
            "INSERT INTO \"{probe}\" (found) SELECT instr(sql, '{new}') > 0 FROM sqlite_schema WHERE {stored}"
        )),
        // Its new version of the schema makes other connections read the text again.
        Step::sql(format!("DROP TABLE \"{probe}\"")),
    ]
}
