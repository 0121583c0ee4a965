//! The steps of a migration.

use std::borrow::Cow;

use async_trait::async_trait;

/// The direction of a migration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Up,
    Down,
}

impl Direction {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The database engine that a migration's steps are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    /// PostgreSQL 15 or later.
    Postgres,
    /// SQLite 3.35 or later.
    Sqlite,
}

/// One step. Outside a transaction a step may run again after an interruption, so it must be idempotent.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Exactly one statement.
    Sql(Cow<'static, str>),
    /// A statement that waits for other transactions without blocking any (`… CONCURRENTLY`), so it may wait long.
    /// PostgreSQL, outside a transaction.
    Patient(Cow<'static, str>),
    /// A change of many rows, some hundred per statement. PostgreSQL.
    ///
    /// `$1` is the last key done (empty at first). The statement returns the last key of its batch, or null when no row
    /// is left. `$2` is the number of rows to read, the last one done included. A deploy lowers it until a batch ends
    /// within its time limit. A statement without `$2` has no limit.
    Batches(Cow<'static, str>),
    /// `CREATE INDEX CONCURRENTLY IF NOT EXISTS`, after dropping an invalid index of an interrupted run. PostgreSQL,
    /// outside a transaction.
    ConcurrentIndex {
        /// The index's name.
        name: Cow<'static, str>,
        /// The whole statement.
        sql: Cow<'static, str>,
    },
    /// One statement that must not run twice. One transaction contains it and its record, so the record is reliable
    /// after an interruption.
    Once(Cow<'static, str>),
    /// One statement that must not run twice and that the server refuses in a transaction. An interruption leaves it in
    /// doubt: each deploy reports it and stops until `migrate resolve` records the outcome. PostgreSQL.
    OnceNonTransactional(Cow<'static, str>),
}

impl Step {
    /// Returns a step of one statement.
    pub fn sql(sql: impl Into<Cow<'static, str>>) -> Self {
        Self::Sql(sql.into())
    }

    /// Returns the step that creates an index on a live table. `on` begins with the table: `"Task" (status)`.
    #[must_use]
    pub fn index(engine: Engine, name: &'static str, on: &str) -> Self {
        Self::any_index(engine, "INDEX", name, on)
    }

    /// Returns the step that creates a unique index on a live table.
    #[must_use]
    pub fn unique_index(engine: Engine, name: &'static str, on: &str) -> Self {
        Self::any_index(engine, "UNIQUE INDEX", name, on)
    }

    fn any_index(engine: Engine, kind: &str, name: &'static str, on: &str) -> Self {
        match engine {
            Engine::Postgres => Self::ConcurrentIndex {
                name: name.into(),
                sql: format!("CREATE {kind} CONCURRENTLY IF NOT EXISTS \"{name}\" ON {on}").into(),
            },
            Engine::Sqlite => Self::sql(format!("CREATE {kind} IF NOT EXISTS \"{name}\" ON {on}")),
        }
    }

    /// Returns the step that drops an index of a live table.
    pub(crate) fn drop_index(engine: Engine, name: &str) -> Self {
        match engine {
            Engine::Postgres => Self::Patient(format!("DROP INDEX CONCURRENTLY IF EXISTS \"{name}\"").into()),
            Engine::Sqlite => Self::sql(format!("DROP INDEX IF EXISTS \"{name}\"")),
        }
    }

    /// Returns the statement as it is sent.
    #[must_use]
    pub fn statement(&self) -> &str {
        match self {
            Self::Sql(sql)
            | Self::Patient(sql)
            | Self::Batches(sql)
            | Self::ConcurrentIndex { sql, .. }
            | Self::Once(sql)
            | Self::OnceNonTransactional(sql) => sql,
        }
    }

    /// Returns whether it may run again after an interruption.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Once(_) | Self::OnceNonTransactional(_))
    }

    /// Returns the step's kind, which is part of the checksum.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Sql(_) => "sql",
            Self::Patient(_) => "patient",
            Self::Batches(_) => "batches",
            Self::ConcurrentIndex { .. } => "index",
            Self::Once(_) => "once",
            Self::OnceNonTransactional(_) => "once outside",
        }
    }

    /// Returns the beginning of the statement, short enough for a message.
    pub(crate) fn summary(&self) -> String {
        let words: Vec<&str> = self.statement().split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(90) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// Splits a file at its `-- statement` lines into steps. Drops all other comment lines.
pub(crate) fn statements(file: &str) -> Vec<Step> {
    file.split("-- statement\n")
        .map(|part| part.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n"))
        .map(|sql| Step::sql(sql.trim().to_owned()))
        .collect()
}

/// A connection on which steps run: ours or SeaORM's.
#[async_trait]
pub(crate) trait Target: Send {
    type Error: Send;

    /// Sends one statement.
    async fn execute(&mut self, sql: &str) -> Result<(), Self::Error>;

    /// Returns the first column of the first row; `value` is bound to `$1`.
    async fn text(&mut self, sql: &str, value: &str) -> Result<Option<String>, Self::Error>;
}

/// The initial number of rows of a batch.
pub(crate) const BATCH_ROWS: u32 = 500;

/// Inserts the number of rows into a batch statement.
pub(crate) fn of_rows(batches: &str, rows: u32) -> String {
    batches.replace("$2", &rows.to_string())
}

const INVALID_INDEX: &str = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid";

/// Runs one step.
pub(crate) async fn apply<T: Target>(target: &mut T, step: &Step) -> Result<(), T::Error> {
    match step {
        Step::Sql(sql) | Step::Patient(sql) | Step::Once(sql) | Step::OnceNonTransactional(sql) => {
            target.execute(sql).await
        }
        Step::Batches(sql) => {
            let (mut key, sql) = (String::new(), of_rows(sql, BATCH_ROWS));
            while let Some(last) = target.text(&sql, &key).await? {
                key = last;
            }
            Ok(())
        }
        Step::ConcurrentIndex { name, sql } => {
            if target.text(INVALID_INDEX, name.as_ref()).await?.is_some() {
                target.execute(&format!("DROP INDEX CONCURRENTLY IF EXISTS \"{name}\"")).await?;
            }
            target.execute(sql).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_at_its_marks_and_loses_its_comments() {
        let steps = statements("-- why\nCREATE TABLE a (\n    id text\n)\n-- statement\nCREATE TABLE b (id text)\n");

        assert_eq!(steps, [Step::sql("CREATE TABLE a (\n    id text\n)"), Step::sql("CREATE TABLE b (id text)")]);
    }
}
