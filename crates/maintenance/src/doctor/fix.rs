//! Running the fix of a finding.

use std::time::Duration;

use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::report::{CheckResult, Fix, Verdict};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Maximum wait for a lock. Sessions behind it wait as long. The server looks into its own catalog first; new objects, such
/// as those of an extension, belong to `public`.
const LOCK: &str = "SET lock_timeout = '3s'; SET statement_timeout = 0; SET search_path = public, pg_temp";

/// Maximum wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Statements that a fix may run. Everything else is an instruction for people, also the end of a prepared transaction or
/// of a slot: another system may need either.
const SAFE: [&str; 19] = [
    "REINDEX INDEX CONCURRENTLY ",
    "DROP INDEX CONCURRENTLY ",
    "CREATE INDEX CONCURRENTLY ON ",
    "VACUUM (ANALYZE) ",
    "ANALYZE ",
    "ALTER TABLE ",
    "ALTER SEQUENCE ",
    "ALTER VIEW ",
    "ALTER FUNCTION ",
    "ALTER ROLE ",
    "ALTER DEFAULT PRIVILEGES ",
    "ALTER DATABASE ",
    "ALTER SYSTEM ",
    "ALTER EXTENSION ",
    "CREATE EXTENSION pg_stat_statements",
    "DROP POLICY ",
    "DROP RULE ",
    "DROP EVENT TRIGGER ",
    "REVOKE ",
];

/// One step of a fix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FixStep {
    /// A statement that [`run_fix`] runs.
    Statement(Fix),
    /// A command of `rylie`, as its words.
    Command(Fix, Vec<String>),
    /// An instruction for people.
    Instruction(Fix),
}

impl FixStep {
    /// Returns the command with its lock.
    #[must_use]
    pub fn fix(&self) -> &Fix {
        match self {
            Self::Statement(fix) | Self::Command(fix, _) | Self::Instruction(fix) => fix,
        }
    }
}

/// Returns the steps that fix a finding, one for each object that has its own, else the check's. Empty without a
/// finding.
#[must_use]
pub fn fix_steps(check: &CheckResult, is_sqlite: bool) -> Vec<FixStep> {
    if !check.status.is_finding() {
        return Vec::new();
    }
    let own =
        check.evidence.iter().filter(|found| found.level != Verdict::NotChecked).filter_map(|found| found.fix.clone());
    let mut fixes: Vec<Fix> = own.collect();
    fixes.dedup();
    if fixes.is_empty() {
        // The fix of the check names no object: most are words for people.
        return check.fix.clone().map(|fix| of_check(fix, is_sqlite)).into_iter().collect();
    }
    fixes.into_iter().map(|fix| step(fix, is_sqlite)).collect()
}

fn of_check(fix: Fix, is_sqlite: bool) -> FixStep {
    match step(fix, is_sqlite) {
        FixStep::Statement(fix) if !fix.command.starts_with("CREATE EXTENSION ") => FixStep::Instruction(fix),
        step => step,
    }
}

fn step(fix: Fix, is_sqlite: bool) -> FixStep {
    let words: Vec<String> = fix.command.split(' ').map(str::to_owned).collect();
    let is_name = |word: &String| {
        !word.is_empty() && word.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
    };
    let is_placeholder = |word: &String| word.chars().any(|letter| letter.is_ascii_uppercase());
    if words.len() > 1 && words[0] == "rylie" && words.iter().all(|word| is_name(word) && !is_placeholder(word)) {
        return FixStep::Command(fix, words.into_iter().skip(1).collect());
    }
    let is_whole = !fix.command.contains('…') && !fix.command.contains("; ") && !fix.command.contains(", then ");
    if !is_sqlite && is_whole && SAFE.iter().any(|begin| fix.command.starts_with(begin)) {
        return FixStep::Statement(fix);
    }
    FixStep::Instruction(fix)
}

/// Runs one statement outside of a transaction. Waits at most three seconds for its lock. Fails with [`Error::Engine`],
/// which has the server's reason; nothing is changed then. Fails with [`Error::Invalid`] on SQLite.
pub async fn run_fix(engine: &Engine, statement: &str) -> Result<()> {
    let options =
        engine.plain_options().ok_or_else(|| Error::invalid("the fix", "it is a statement for PostgreSQL"))?;
    let failed = || Error::engine("running the fix");
    let options = options.application_name("rylie doctor fix").disable_statement_logging();
    let mut connection = tokio::time::timeout(CONNECT, options.connect())
        .await
        .map_err(|_| failed()(sqlx::Error::PoolTimedOut))?
        .map_err(failed())?;
    sqlx::raw_sql(LOCK).execute(&mut connection).await.map_err(failed())?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.map_err(failed())?;
    if statement.starts_with("ALTER SYSTEM ") {
        sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut connection).await.map_err(failed())?;
    }
    // The statement has succeeded, so the outcome of closing does not matter.
    let _ = connection.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(command: &str) -> &'static str {
        match step(Fix { command: command.to_owned(), lock: String::new() }, false) {
            FixStep::Statement(_) => "statement",
            FixStep::Command(..) => "command",
            FixStep::Instruction(_) => "instruction",
        }
    }

    #[test]
    fn only_whole_statements_and_commands_are_run() {
        for (command, expected) in [
            ("REINDEX INDEX CONCURRENTLY public.x", "statement"),
            ("rylie maintain sessions", "command"),
            ("rylie doctor terminate 7", "command"),
            ("rylie doctor terminate PID", "instruction"),
            ("rylie keys report; restore it", "instruction"),
            ("ALTER TABLE … ENABLE TRIGGER ALL", "instruction"),
            ("DROP TABLE \"User\"", "instruction"),
            ("restart the server", "instruction"),
            ("ROLLBACK PREPARED 'x'", "instruction"),
            ("SELECT pg_drop_replication_slot('x')", "instruction"),
        ] {
            assert_eq!(kind(command), expected, "{command}");
        }
    }
}
