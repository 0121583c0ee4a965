//! Keeps logins out of a database while it is restored.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::engine::{Engine, Session, run_postgres};
use crate::error::{Error, Result};

/// A database that only superusers may enter. It stays so until [`open`](Self::open): an interrupted restore leaves a
/// database without erasures and constraints, which no service may use.
pub struct ClosedDatabase {
    engine: Engine,
    /// Its limit of connections before.
    limit: i64,
}

impl ClosedDatabase {
    /// Closes the empty database of a URL. `None` on SQLite, and for a login that is no superuser: it would lock itself out.
    pub async fn close(url: &str) -> Result<Option<Self>> {
        let engine = Engine::new(url)?;
        let Session::Postgres(mut connection, _) = engine.connect().await? else { return Ok(None) };
        let failed = || Error::engine("closing the database that is restored");
        let sql = "SELECT datconnlimit::bigint FROM pg_database WHERE datname = current_database() \
                   AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)";
        let limit: Option<i64> = sqlx::query_scalar(sql).fetch_optional(&mut connection).await.map_err(failed())?;
        let Some(limit) = limit else { return Ok(None) };
        set_limit(&mut connection, 0).await.map_err(failed())?;
        // It answered: how it takes the goodbye does not matter.
        let _ = connection.close().await;
        // An interrupted restore has closed it before.
        Ok(Some(Self { engine, limit: if limit == 0 { -1 } else { limit } }))
    }

    /// Lets the logins in again.
    pub async fn open(self) -> Result<()> {
        let Session::Postgres(mut connection, _) = self.engine.connect().await? else { return Ok(()) };
        let failed = Error::engine("opening the restored database");
        set_limit(&mut connection, self.limit).await.map_err(failed)?;
        let _ = connection.close().await;
        Ok(())
    }
}

async fn set_limit(connection: &mut PgConnection, limit: i64) -> sqlx::Result<()> {
    let sql = "SELECT quote_ident(current_database())";
    let name: String = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
    run_postgres(connection, &format!("ALTER DATABASE {name} CONNECTION LIMIT {limit}")).await
}
