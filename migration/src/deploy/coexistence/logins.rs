//! Finds the logins with rights on the old service's tables.

use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::error::Result;
use crate::marker::{self, State};
use crate::migrations::base_tables_list;
use crate::migrations::m20261123_000008_enable_row_level_security::TABLES;
use crate::roles::ours::{PROVISIONED, our_roles_list};
use crate::step::Engine;

const SQL: &str = include_str!("logins.sql");

/// A login that is not ours and has rights on tables of the base. Superusers are omitted: policies never apply to them.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoginRights {
    /// The login's name.
    pub login: String,
    /// The sources of its rights: `owner`, `direct grant`, `member of ROLE`, `SET ROLE ROLE`, `PUBLIC`, `default
    /// privileges of ROLE`, `view NAME`, `materialized view NAME`, and `function NAME` for one that runs as its owner.
    pub via: Vec<String>,
    /// Its commands by table, as `Request: INSERT, SELECT`; with the columns if a right covers only some.
    pub rights: Vec<String>,
    /// The statements that revoke what it keeps once the adoption is finished. Row-level security covers neither `TRUNCATE`
    /// and `TRIGGER` nor the tables without tenant key.
    #[serde(default)]
    pub keeps_after_finish: Vec<String>,
    /// The tables whose rows it can no longer reach once the adoption is finished.
    pub loses_at_finish: Vec<String>,
}

/// Reads the logins. Needs no right but to log in.
pub(crate) async fn read(connection: &mut Connection) -> Result<Vec<LoginRights>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let protected = TABLES.map(|table| format!("'{table}'")).join(", ");
    let sql = SQL.replace("$base", &base_tables_list()).replace("$walled", &protected);
    let sql = sql.replace("$ours", &our_roles_list()).replace("$provisioned", PROVISIONED);
    connection.documents(&sql, "reading which logins have rights on the tables").await
}

/// Returns the logins that lose rows when the adoption is finished; none before the adoption and after its end.
pub(crate) async fn losing(connection: &mut Connection) -> Result<Vec<LoginRights>> {
    let Some(State::Coexistence) = marker::read(connection).await?.map(|mark| mark.state) else {
        return Ok(Vec::new());
    };
    Ok(read(connection).await?.into_iter().filter(|login| !login.loses_at_finish.is_empty()).collect())
}
