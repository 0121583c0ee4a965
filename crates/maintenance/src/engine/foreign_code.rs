//! Code of other roles that a superuser's session would run.
//!
//! PostgreSQL prefers a function whose argument types match exactly to its own one for every type, whatever the search path
//! is. So the owner of a function in schema `public` would run it with the rights of a superuser who runs a command.

use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::{CONNECT, Engine};
use crate::error::{Error, Result};

/// Selects the functions and operators, for a superuser's session only. What a superuser owns, and code in C, no other
/// login has written. Runs without schema `public` in the path.
const FOUND: &str = "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '10s'; \
     SELECT found.object || ' (owner ' || r.rolname || ')' AS object FROM (\
     SELECT 'function ' || p.oid::regprocedure::text, p.proowner, l.lanname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang \
     WHERE p.pronamespace = 'public'::regnamespace AND EXISTS (SELECT FROM pg_proc s \
     WHERE s.pronamespace = 'pg_catalog'::regnamespace AND s.proname = p.proname) \
     UNION ALL SELECT 'operator ' || o.oid::regoperator::text, o.oprowner, '' FROM pg_operator o \
     WHERE o.oprnamespace = 'public'::regnamespace) AS found (object, owner, language) \
     JOIN pg_roles r ON r.oid = found.owner WHERE NOT r.rolsuper AND found.language NOT IN ('c', 'internal') \
     AND (SELECT s.rolsuper FROM pg_roles s WHERE s.rolname = session_user) ORDER BY 1 LIMIT 20; COMMIT";

const OPEN: &str = "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = '10s'; \
     SELECT 'public' AS object WHERE has_schema_privilege('public', 'public', 'CREATE'); COMMIT";

/// Returns the functions and operators of schema `public`, at most 20, that this login's session would run in place of the
/// server's own, each with its owner. Empty unless the login is a superuser, and on SQLite. Opens one connection and sends
/// one statement; each is waited for at most ten seconds.
pub async fn foreign_code(engine: &Engine) -> Result<Vec<String>> {
    objects(engine, FOUND).await
}

/// Returns whether every login may create objects in schema `public`. `false` on SQLite. One connection, one statement.
pub async fn is_schema_open(engine: &Engine) -> Result<bool> {
    Ok(!objects(engine, OPEN).await?.is_empty())
}

async fn objects(engine: &Engine, sql: &'static str) -> Result<Vec<String>> {
    const DOING: &str = "looking for code of other roles";
    let Some(options) = engine.plain_options() else { return Ok(Vec::new()) };
    let work = async {
        let mut connection: PgConnection = options.disable_statement_logging().connect().await?;
        let rows = sqlx::raw_sql(sql).fetch_all(&mut connection).await?;
        let objects = rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<Vec<String>>>()?;
        // The answer is there; the server notices a lost connection.
        let _ = connection.close().await;
        Ok(objects)
    };
    let done = tokio::time::timeout(CONNECT, work).await;
    done.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(Error::engine(DOING))
}
