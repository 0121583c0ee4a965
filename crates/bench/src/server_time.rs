//! The server's own time of an operation, from the extension `pg_stat_statements`.

use sqlx::{Connection, PgConnection, Row};

use crate::{Result, settings};

/// The statements of the service's login, if the server keeps statistics.
pub(crate) struct ServerTime(Option<PgConnection>);

impl ServerTime {
    /// Connects as the owner.
    pub(crate) async fn connect() -> Result<Self> {
        let mut owner = PgConnection::connect(&settings::owner_url()?).await?;
        Ok(if is_kept(&mut owner).await? { Self(Some(owner)) } else { Self(None) })
    }

    /// Forgets all statements so far.
    pub(crate) async fn reset(&mut self) -> Result<()> {
        let Some(owner) = &mut self.0 else { return Ok(()) };
        sqlx::raw_sql("SELECT pg_stat_statements_reset()").execute(owner).await?;
        Ok(())
    }

    /// Returns the time in seconds that the server has planned and executed since. Commits, and reading the messages,
    /// are not included. `None` without statistics.
    pub(crate) async fn seconds(&mut self) -> Result<Option<f64>> {
        const SUM: &str = "SELECT (coalesce(sum(total_exec_time + total_plan_time), 0) / 1000)::float8 FROM pg_stat_statements \
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            AND userid <> (SELECT oid FROM pg_roles WHERE rolname = current_user)";
        let Some(owner) = &mut self.0 else { return Ok(None) };
        let seconds: f64 = sqlx::raw_sql(SUM).fetch_one(owner).await?.try_get(0)?;
        Ok((seconds > 0.0).then_some(seconds))
    }
}

/// Makes the server keep statistics of the sessions that the service's login begins from now on, or stop that. Other
/// sessions are not slowed.
pub(crate) async fn follow(keep: bool) -> Result<()> {
    let mut owner = PgConnection::connect(&settings::owner_url()?).await?;
    if is_kept(&mut owner).await? {
        let role = settings::LOGIN;
        let sql = if keep {
            format!(
                "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; ALTER ROLE {role} SET pg_stat_statements.track = 'top'; \
                 ALTER ROLE {role} SET pg_stat_statements.track_planning = on"
            )
        } else {
            format!(
                "ALTER ROLE {role} RESET pg_stat_statements.track; \
                 ALTER ROLE {role} RESET pg_stat_statements.track_planning"
            )
        };
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut owner).await?;
    }
    owner.close().await?;
    Ok(())
}

async fn is_kept(owner: &mut PgConnection) -> Result<bool> {
    const LOADED: &str = "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
    Ok(sqlx::raw_sql(LOADED).fetch_one(owner).await?.try_get(0)?)
}
