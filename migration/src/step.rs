//! What a migration is made of.

use std::borrow::Cow;

use async_trait::async_trait;

/// Which way a migration goes.
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

/// The database a migration is written for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    /// PostgreSQL 15 or later.
    Postgres,
    /// SQLite 3.35 or later.
    Sqlite,
}

/// One thing to do. Outside a transaction each may be done again after an interruption, so each is idempotent.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Exactly one statement.
    Sql(Cow<'static, str>),
    /// A statement that waits for other transactions without making anyone wait for it (`… CONCURRENTLY`), so it
    /// may wait long. PostgreSQL, outside a transaction.
    Patient(Cow<'static, str>),
    /// A change of many rows, some hundred a statement: `$1` is the last key done (empty at first), the one value
    /// returned the last key of this batch, null when nothing is left. `$2` is how many rows to look at, the last one done
    /// included: a deploy lowers it until a batch ends within its time limit. A statement without `$2` has no limit.
    /// PostgreSQL.
    Batches(Cow<'static, str>),
    /// `CREATE INDEX CONCURRENTLY IF NOT EXISTS`; an invalid left-over of an interrupted run is dropped first.
    /// PostgreSQL, outside a transaction.
    ConcurrentIndex {
        /// Name of the index.
        name: &'static str,
        /// The whole statement.
        sql: Cow<'static, str>,
    },
    /// One statement that must not be done twice: it is done in one transaction with the record of it, so that after
    /// an interruption it is known whether it was.
    Once(Cow<'static, str>),
    /// One statement that must not be done twice and that the server refuses in a transaction. An interruption leaves
    /// it in doubt: the next deploy names it and does nothing until `migrate resolve` has told. PostgreSQL.
    OnceNonTransactional(Cow<'static, str>),
}

impl Step {
    /// A statement.
    pub(crate) fn sql(sql: impl Into<Cow<'static, str>>) -> Self {
        Self::Sql(sql.into())
    }

    /// An index as the engine makes it on a live table; `on` begins with the table: `"Task" (status)`.
    pub(crate) fn index(engine: Engine, name: &'static str, on: &str) -> Self {
        Self::any_index(engine, "INDEX", name, on)
    }

    /// A unique index, likewise.
    pub(crate) fn unique_index(engine: Engine, name: &'static str, on: &str) -> Self {
        Self::any_index(engine, "UNIQUE INDEX", name, on)
    }

    fn any_index(engine: Engine, kind: &str, name: &'static str, on: &str) -> Self {
        match engine {
            Engine::Postgres => Self::ConcurrentIndex {
                name,
                sql: format!("CREATE {kind} CONCURRENTLY IF NOT EXISTS \"{name}\" ON {on}").into(),
            },
            Engine::Sqlite => Self::sql(format!("CREATE {kind} IF NOT EXISTS \"{name}\" ON {on}")),
        }
    }

    /// Removes an index as the engine does it on a live table.
    pub(crate) fn drop_index(engine: Engine, name: &str) -> Self {
        match engine {
            Engine::Postgres => Self::Patient(format!("DROP INDEX CONCURRENTLY IF EXISTS \"{name}\"").into()),
            Engine::Sqlite => Self::sql(format!("DROP INDEX IF EXISTS \"{name}\"")),
        }
    }

    /// The statement as it is sent.
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

    /// Whether it may be done a second time after an interruption.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Once(_) | Self::OnceNonTransactional(_))
    }

    /// What kind it is: a part of the checksum.
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

    /// Its beginning, short enough for a message.
    pub(crate) fn summary(&self) -> String {
        let words: Vec<&str> = self.statement().split_whitespace().collect();
        let line = words.join(" ");
        match line.char_indices().nth(90) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// The statements of a file, which are set apart by lines `-- statement`; other comment lines are left out.
pub(crate) fn statements(file: &str) -> Vec<Step> {
    file.split("-- statement\n")
        .map(|part| part.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n"))
        .map(|sql| Step::sql(sql.trim().to_owned()))
        .collect()
}

/// Something that a step can be done to: a connection of ours, or of SeaORM's.
#[async_trait]
pub(crate) trait Target: Send {
    type Error: Send;

    /// Sends one statement.
    async fn execute(&mut self, sql: &str) -> Result<(), Self::Error>;

    /// The first column of the first row, where `$1` is `value`.
    async fn text(&mut self, sql: &str, value: &str) -> Result<Option<String>, Self::Error>;
}

/// How many rows a batch looks at, to begin with.
pub(crate) const BATCH_ROWS: u32 = 500;

/// A statement in batches, for so many rows.
pub(crate) fn of_rows(batches: &str, rows: u32) -> String {
    batches.replace("$2", &rows.to_string())
}

const INVALID_INDEX: &str = "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
     WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid";

/// Does one step.
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
            if target.text(INVALID_INDEX, name).await?.is_some() {
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
