//! The environment marker: the database's fingerprint, environment and state.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::operator;
use crate::session::Migrations;
use crate::step::Engine;

/// The use of a database. Destructive commands obey it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real data: nothing is reverted or reset.
    Production,
    /// A rehearsal of production.
    Staging,
    /// All data may be deleted. The value of a fresh database.
    Development,
}

/// The users of a database.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Only this library uses it: our migrations created it, or its adoption is finished.
    Fresh,
    /// Prisma created it; the old service may still use it.
    Coexistence,
}

/// The only row of `rylie_database`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Mark {
    /// A random id from the database's creation. Copies share it until it is renewed.
    pub fingerprint: String,
    /// The database's environment.
    pub environment: Environment,
    /// The database's users.
    pub state: State,
    /// When the row was created, UTC.
    pub created_at: String,
    /// When the database was adopted, UTC.
    pub adopted_at: Option<String>,
}

/// Reads the environment marker; `None` without one.
pub(crate) async fn read(connection: &mut Connection) -> Result<Option<Mark>> {
    const DOING: &str = "reading the environment marker";
    if !connection.has_table("rylie_database").await.map_err(Error::doing(DOING))? {
        return Ok(None);
    }
    let sql = match connection.engine() {
        Engine::Postgres => {
            "SELECT json_build_object('fingerprint', fingerprint, 'environment', environment, 'state', state, \
             'created_at', created_at, 'adopted_at', adopted_at)::text FROM rylie_database"
        }
        Engine::Sqlite => {
            "SELECT json_object('fingerprint', fingerprint, 'environment', environment, 'state', state, \
             'created_at', created_at, 'adopted_at', adopted_at) FROM rylie_database"
        }
    };
    Ok(connection.documents(sql, DOING).await?.pop())
}

impl Migrations {
    /// Sets the environment marker. Leaving production requires a reason. Each change is recorded in the audit log, in
    /// the same transaction. Only the table owner, a member of that role or a superuser may do it, and none of the
    /// units' roles.
    pub async fn mark_environment(&mut self, environment: Environment, reason: Option<&str>) -> Result<Mark> {
        self.refuse_strangers().await?;
        let mark = owned(&mut self.connection).await?;
        let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
        if mark.environment == Environment::Production && environment != Environment::Production && reason.is_none() {
            return Err(Refusal::NoReason.into());
        }
        let details = json!({ "from": mark.environment, "to": environment, "reason": reason });
        let change = format!("UPDATE rylie_database SET environment = '{environment}'");
        operator::change(&mut self.connection, &[change], "ENVIRONMENT_MARKED", "rylie_database", &details).await?;
        Ok(Mark { environment, ..mark })
    }

    /// Gives the database a new fingerprint, so that a copy is not mistaken for the original. Audited.
    pub async fn renew_fingerprint(&mut self) -> Result<Mark> {
        self.refuse_strangers().await?;
        let connection = &mut self.connection;
        let mark = owned(connection).await?;
        let new = operator::new_id(connection).await?;
        let change = format!("UPDATE rylie_database SET fingerprint = '{new}'");
        let details = json!({ "from": mark.fingerprint, "to": new });
        operator::change(connection, &[change], "FINGERPRINT_RENEWED", "rylie_database", &details).await?;
        Ok(Mark { fingerprint: new, ..mark })
    }
}

/// Returns the environment marker if this login may change it. Only ownership counts, no grant.
async fn owned(connection: &mut Connection) -> Result<Mark> {
    let mark = read(connection).await?.ok_or(Refusal::NoMark)?;
    let sql = "SELECT pg_has_role(relowner, 'USAGE')::text FROM pg_class WHERE oid = 'public.rylie_database'::regclass";
    let owner = connection.ask_postgres(sql, "checking who owns the environment marker").await?;
    if connection.engine() == Engine::Postgres && owner.as_deref() != Some("true") {
        return Err(Refusal::NotOwner { table: "rylie_database".to_owned() }.into());
    }
    Ok(mark)
}

/// The statement that marks a database as adopted: it has real data, and the old service may still use it.
pub(crate) const ADOPTED: &str = "UPDATE rylie_database SET state = 'coexistence', environment = 'production', \
     adopted_at = now() AT TIME ZONE 'UTC' WHERE adopted_at IS NULL";

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
        })
    }
}

impl FromStr for Environment {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "production" => Ok(Self::Production),
            "staging" => Ok(Self::Staging),
            "development" => Ok(Self::Development),
            _ => Err("an environment is production, staging or development".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_reads_as_it_is_written() {
        for environment in [Environment::Production, Environment::Staging, Environment::Development] {
            assert_eq!(environment.to_string().parse(), Ok(environment));
        }
        assert!("prod".parse::<Environment>().is_err());
    }
}
