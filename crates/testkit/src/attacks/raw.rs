//! SQL that bypasses the tenant filter. PostgreSQL only.

use std::borrow::Cow;

use futures_util::TryStreamExt;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::{Error, Result};

/// The SQLSTATE of a missing right, and of a row that a policy rejects.
pub(super) const DENIED: &str = "42501";

/// A connection as the database superuser, without the tenant filter.
pub(super) struct Raw(PgConnection);

impl Raw {
    pub(super) async fn connect(url: &str) -> Result<Self> {
        Ok(Self(PgConnection::connect(url).await.map_err(Error::sql("connecting without the tenant filter"))?))
    }

    pub(super) async fn run(&mut self, sql: &str) -> Result<()> {
        self.fetch(sql).await.map(|_| ()).map_err(Error::sql("preparing an attack"))
    }

    /// Returns the first column of every row as text; null is an empty string.
    pub(super) async fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        let rows = self.fetch(sql).await.map_err(Error::sql("reading the catalog"))?;
        rows.iter().map(|row| text(row, 0)).collect()
    }

    /// Returns the first two columns of every row as text.
    pub(super) async fn pairs(&mut self, sql: &str) -> Result<Vec<(String, String)>> {
        let rows = self.fetch(sql).await.map_err(Error::sql("reading the catalog"))?;
        rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?))).collect()
    }

    /// Returns the answer to an attack: the first column of its rows, or the error code.
    pub(super) async fn answer(&mut self, sql: &str) -> Answer {
        match self.fetch(sql).await {
            Ok(rows) => Answer::Rows(rows.iter().filter_map(|row| text(row, 0).ok()).collect()),
            Err(error) => Answer::refused(&error),
        }
    }

    /// Returns the answer to `COPY … TO STDOUT`, line by line.
    pub(super) async fn copied(&mut self, sql: &str) -> Answer {
        let copied = match self.0.copy_out_raw(sql).await {
            Ok(stream) => stream.try_collect::<Vec<_>>().await,
            Err(error) => Err(error),
        };
        match copied {
            Ok(bytes) => Answer::Rows(String::from_utf8_lossy(&bytes.concat()).lines().map(str::to_owned).collect()),
            Err(error) => Answer::refused(&error),
        }
    }

    /// Begins a transaction in the tenant role. `as_owner` runs before the role changes.
    pub(super) async fn enter(&mut self, as_owner: &str, tenant: &str) -> Result<()> {
        let tenant = literal(tenant);
        self.run(&format!(
            "BEGIN; {as_owner}; SET LOCAL ROLE rylie_tenant; SELECT set_config('rylie.tenant', {tenant}, true)"
        ))
        .await
    }

    /// Rolls back the transaction, including the role and the owner's statements.
    pub(super) async fn leave(&mut self) -> Result<()> {
        self.run("ROLLBACK").await
    }

    /// Runs one statement in the tenant role and rolls it back.
    pub(super) async fn as_tenant(&mut self, tenant: &str, sql: &str) -> Result<Answer> {
        self.enter("", tenant).await?;
        let answer = self.answer(sql).await;
        self.leave().await?;
        Ok(answer)
    }

    async fn fetch(&mut self, sql: &str) -> Result<Vec<PgRow>, sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.0).await
    }
}

/// The answer to SQL, as an attacker can distinguish it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Rows(Vec<String>),
    Refused {
        code: String,
        /// The rest of the server's answer: its message, and the object that it names.
        reported: String,
    },
}

impl Answer {
    fn refused(error: &sqlx::Error) -> Self {
        let Some(error) = error.as_database_error() else {
            return Self::Refused { code: error.to_string(), reported: String::new() };
        };
        let reported = format!("{} {}", error.message(), error.constraint().unwrap_or_default());
        Self::Refused { code: error.code().map(Cow::into_owned).unwrap_or_default(), reported }
    }

    pub(super) fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == DENIED)
    }
}

/// Quotes an identifier for SQL.
pub(super) fn name(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// Quotes a string literal for SQL.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn text(row: &PgRow, column: usize) -> Result<String> {
    let text: Option<String> = row.try_get_unchecked(column).map_err(Error::sql("reading an answer"))?;
    Ok(text.unwrap_or_default())
}
