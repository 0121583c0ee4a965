//! Which logins have rights on the tables that the old service works on.

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::Result;
use crate::mark::{self, State};
use crate::migrations::base_tables_list;
use crate::migrations::m20261123_000008_enable_row_level_security::TABLES;
use crate::step::Engine;

const SQL: &str = include_str!("logins.sql");

/// A login of somebody else's with rights on tables of the base. Superusers are not listed: nothing binds them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoginRights {
    /// Its name.
    pub login: String,
    /// How it comes by them: `owner`, `direct grant`, `member of ROLE`, `SET ROLE ROLE`, `PUBLIC`, `default privileges of ROLE`.
    pub via: Vec<String>,
    /// The commands by table: `Request: INSERT, SELECT`; with columns where the right is one of columns.
    pub rights: Vec<String>,
    /// The tables whose rows it will not reach any more once the adoption is finished.
    pub loses_at_finish: Vec<String>,
}

/// Reads them. Takes no right beyond logging in.
pub(crate) async fn read(connection: &mut Connection) -> Result<Vec<LoginRights>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let walled = TABLES.map(|table| format!("'{table}'")).join(", ");
    let sql = SQL.replace("$base", &base_tables_list()).replace("$walled", &walled);
    connection.documents(&sql, "reading which logins have rights on the tables").await
}

/// Those that lose something when the adoption is finished; none before the adoption and once it is finished.
pub(crate) async fn losing(connection: &mut Connection) -> Result<Vec<LoginRights>> {
    let Some(State::Coexistence) = mark::read(connection).await?.map(|mark| mark.state) else { return Ok(Vec::new()) };
    Ok(read(connection).await?.into_iter().filter(|login| !login.loses_at_finish.is_empty()).collect())
}
