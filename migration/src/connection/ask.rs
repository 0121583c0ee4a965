//! Questions with typed answers, whose errors say what was being done.

use serde::de::DeserializeOwned;

use super::Connection;
use crate::error::{Error, Result};
use crate::step::{Engine, Target};

impl Connection {
    /// The first value of a query; `None` for no row and for null.
    pub(crate) async fn ask(&mut self, sql: &str, doing: &'static str) -> Result<Option<String>> {
        self.value(sql).await.map_err(Error::doing(doing))
    }

    /// The same on PostgreSQL. SQLite is not asked: `None`.
    pub(crate) async fn ask_postgres(&mut self, sql: &str, doing: &'static str) -> Result<Option<String>> {
        if self.engine() == Engine::Sqlite { Ok(None) } else { self.ask(sql, doing).await }
    }

    /// The first column of every row on PostgreSQL. SQLite is not asked: none.
    pub(crate) async fn list_postgres(&mut self, sql: &str, doing: &'static str) -> Result<Vec<String>> {
        if self.engine() == Engine::Sqlite {
            return Ok(Vec::new());
        }
        self.values(sql).await.map_err(Error::doing(doing))
    }

    /// The JSON document that a query returns. Without a row it fails as one that is empty.
    pub(crate) async fn document<T: DeserializeOwned>(&mut self, sql: &str, doing: &'static str) -> Result<T> {
        parsed(&self.ask(sql, doing).await?.unwrap_or_default(), doing)
    }

    /// The JSON document of every row.
    pub(crate) async fn documents<T: DeserializeOwned>(&mut self, sql: &str, doing: &'static str) -> Result<Vec<T>> {
        let rows = self.values(sql).await.map_err(Error::doing(doing))?;
        rows.iter().map(|row| parsed(row, doing)).collect()
    }

    /// Sends a text that begins and ends a transaction, and ends what is left of it after a failure.
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
