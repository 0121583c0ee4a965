//! Queries with typed results. Their errors name the action.

use serde::de::DeserializeOwned;

use super::Connection;
use crate::error::{Error, Result};
use crate::step::{Engine, Target};

impl Connection {
    /// Returns the first value of a query; `None` for no row and for null.
    pub(crate) async fn ask(&mut self, sql: &str, doing: &'static str) -> Result<Option<String>> {
        self.value(sql).await.map_err(Error::doing(doing))
    }

    /// As [`ask`](Self::ask), on PostgreSQL only. Returns `None` on SQLite without a query.
    pub(crate) async fn ask_postgres(&mut self, sql: &str, doing: &'static str) -> Result<Option<String>> {
        if self.engine() == Engine::Sqlite { Ok(None) } else { self.ask(sql, doing).await }
    }

    /// Returns the first column of every row, on PostgreSQL only. Returns nothing on SQLite without a query.
    pub(crate) async fn list_postgres(&mut self, sql: &str, doing: &'static str) -> Result<Vec<String>> {
        if self.engine() == Engine::Sqlite {
            return Ok(Vec::new());
        }
        self.values(sql).await.map_err(Error::doing(doing))
    }

    /// Returns the JSON document of a query. Fails without a row, as for an empty document.
    pub(crate) async fn document<T: DeserializeOwned>(&mut self, sql: &str, doing: &'static str) -> Result<T> {
        parsed(&self.ask(sql, doing).await?.unwrap_or_default(), doing)
    }

    /// Returns the JSON document of every row.
    pub(crate) async fn documents<T: DeserializeOwned>(&mut self, sql: &str, doing: &'static str) -> Result<Vec<T>> {
        let rows = self.values(sql).await.map_err(Error::doing(doing))?;
        rows.iter().map(|row| parsed(row, doing)).collect()
    }

    /// Runs SQL that begins and ends a transaction. Rolls the transaction back after a failure.
    pub(crate) async fn at_once(&mut self, sql: &str, doing: &'static str) -> Result<()> {
        let outcome = self.execute(sql).await;
        if outcome.is_err() {
            // Without an open transaction this only warns.
            drop(self.execute("ROLLBACK").await);
        }
        outcome.map_err(Error::doing(doing))
    }
}

pub(crate) fn parsed<T: DeserializeOwned>(json: &str, doing: &'static str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::doing(doing)(sqlx::Error::Decode(error.into())))
}
