//! Records an operator's command in the audit log, in the same transaction as its change.

use rylie_driver::literal;
use serde_json::Value;

use crate::connection::{Connection, LOCK_TIMEOUT};
use crate::error::{Error, Result};
use crate::history::journal;
use crate::step::{Engine, Target};

/// The migration whose reversal restores the foreign key from the log to users. A job and an operator are no users.
pub(crate) const NEEDS_USERS: &str = "m20261123_000005_drop_audit_log_foreign_key";

/// The table for records whose actor is no user, while that foreign key exists.
const ASIDE: &str = "rylie_operator_events";

/// The columns of the base's log.
pub(crate) const COLUMNS: &str =
    "id, \"userId\", action, resource, \"resourceId\", details, \"ipAddress\", \"userAgent\", \"createdAt\"";

/// Makes the changes and adds the event in one transaction. Waits at most 5 s for locks on either engine.
pub(crate) async fn change(
    connection: &mut Connection,
    changes: &[String],
    action: &str,
    resource: &str,
    details: &Value,
) -> Result<()> {
    let failed = Error::doing("changing the database");
    let begin = match connection.engine() {
        Engine::Postgres => {
            connection.set_lock_timeout(LOCK_TIMEOUT).await.map_err(&failed)?;
            "BEGIN"
        }
        Engine::Sqlite => {
            connection.execute("PRAGMA busy_timeout = 5000").await.map_err(&failed)?;
            "BEGIN IMMEDIATE"
        }
    };
    connection.execute(begin).await.map_err(&failed)?;
    let outcome = change_inside(connection, changes, action, resource, details).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute(end).await;
    outcome.map_err(&failed)?;
    ended.map_err(&failed)
}

async fn change_inside(
    connection: &mut Connection,
    changes: &[String],
    action: &str,
    resource: &str,
    details: &Value,
) -> sqlx::Result<()> {
    for sql in changes {
        connection.execute(sql).await?;
    }
    if !connection.has_table("AuditLog").await? {
        return Ok(());
    }
    let operator = operator(connection).await?;
    let event = event(connection, &operator, action, resource, details).await?;
    if takes_anybody(connection).await? {
        pass_the_policies(connection).await?;
    } else {
        connection.execute(&create_aside()).await?;
    }
    connection.execute(&event).await
}

/// Returns whether the log may name actors who are not users. An interrupted reversal may have restored the key already.
async fn takes_anybody(connection: &mut Connection) -> sqlx::Result<bool> {
    let sql = "SELECT version FROM seaql_migrations WHERE version = $1";
    Ok(connection.text(sql, NEEDS_USERS).await?.is_some() && !journal::is_half_gone(connection, NEEDS_USERS).await?)
}

fn create_aside() -> String {
    format!("CREATE TABLE IF NOT EXISTS {ASIDE} AS SELECT {COLUMNS} FROM \"AuditLog\" WHERE false")
}

async fn event(
    connection: &mut Connection,
    operator: &str,
    action: &str,
    resource: &str,
    details: &Value,
) -> sqlx::Result<String> {
    let id = random_id(connection).await?;
    let (now, json) = match connection.engine() {
        Engine::Postgres => ("now() AT TIME ZONE 'UTC'", "::jsonb"),
        Engine::Sqlite => ("strftime('%Y-%m-%d %H:%M:%f', 'now')", ""),
    };
    let values = [&id, operator, action, resource].map(literal).join(", ");
    let (table, column, platform) = if takes_anybody(connection).await? {
        ("\"AuditLog\"", ", \"tenantId\"", ", 'platform'")
    } else {
        (ASIDE, "", "")
    };
    Ok(format!(
        "INSERT INTO {table} (id, \"userId\", action, resource, details, \"createdAt\"{column}) \
         VALUES ({values}, {}{json}, {now}{platform})",
        literal(&details.to_string())
    ))
}

/// Returns the login. SQLite has no logins.
async fn operator(connection: &mut Connection) -> sqlx::Result<String> {
    Ok(match connection.engine() {
        Engine::Postgres => {
            let login = connection.value("SELECT session_user::text").await?.unwrap_or_default();
            format!("operator:{login}")
        }
        Engine::Sqlite => "operator".to_owned(),
    })
}

/// Assumes the platform role until the end of the transaction, if forced policies apply to the owner.
async fn pass_the_policies(connection: &mut Connection) -> sqlx::Result<()> {
    if connection.engine() == Engine::Sqlite {
        return Ok(());
    }
    let bound = connection.value("SELECT row_security_active('public.\"AuditLog\"')::text").await?;
    if bound.as_deref() == Some("true") {
        connection.execute("SET LOCAL ROLE rylie_platform; SET LOCAL row_security = on").await?;
    }
    Ok(())
}

/// Returns a random UUID in PostgreSQL's format.
pub(crate) async fn new_id(connection: &mut Connection) -> Result<String> {
    random_id(connection).await.map_err(Error::doing("asking for a random number"))
}

async fn random_id(connection: &mut Connection) -> sqlx::Result<String> {
    let sql = match connection.engine() {
        Engine::Postgres => "SELECT gen_random_uuid()::text",
        Engine::Sqlite => {
            "SELECT lower(hex(randomblob(4))) || '-' || lower(hex(randomblob(2))) || '-4' || substr(lower(hex(randomblob(2))), 2) \
             || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(lower(hex(randomblob(2))), 2) || '-' || lower(hex(randomblob(6)))"
        }
    };
    Ok(connection.value(sql).await?.unwrap_or_default())
}

/// Moves the records whose actor is no user out of the log, since its old foreign key forbids them: those of jobs,
/// operators and deleted users. Records that the table `copy` holds as well are only deleted.
pub(crate) async fn set_events_aside(connection: &mut Connection, copy: &str) -> Result<()> {
    const DOING: &str = "looking for audit records without a user";
    let no_user = "NOT EXISTS (SELECT 1 FROM \"User\" WHERE \"User\".id = \"AuditLog\".\"userId\")";
    let any = format!("SELECT id FROM \"AuditLog\" WHERE {no_user} LIMIT 1");
    if connection.ask(&any, DOING).await?.is_none() {
        return Ok(());
    }
    let mut new = format!("SELECT id FROM \"AuditLog\" WHERE {no_user}");
    if connection.has_table(copy).await.map_err(Error::doing(DOING))? {
        new.extend([" EXCEPT SELECT id FROM ", copy]);
    }
    let failed = Error::doing("moving audit records without a user");
    // A record that is added between the copy and the removal would be lost.
    let begin = match connection.engine() {
        Engine::Postgres => "BEGIN; LOCK TABLE \"AuditLog\" IN SHARE ROW EXCLUSIVE MODE",
        Engine::Sqlite => "BEGIN IMMEDIATE",
    };
    let moved = match connection.execute(begin).await {
        Ok(()) => move_inside(connection, &new, no_user).await,
        Err(error) => Err(error),
    };
    let ended = connection.execute(if moved.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
    moved.map_err(&failed)?;
    ended.map_err(failed)
}

async fn move_inside(connection: &mut Connection, new: &str, no_user: &str) -> sqlx::Result<()> {
    if connection.value(&format!("{new} LIMIT 1")).await?.is_some() {
        connection.execute(&create_aside()).await?;
        let copy = format!("INSERT INTO {ASIDE} SELECT {COLUMNS} FROM \"AuditLog\" WHERE id IN ({new})");
        connection.execute(&copy).await?;
    }
    connection.execute(&format!("DELETE FROM \"AuditLog\" WHERE {no_user}")).await
}

/// Returns whether events were set aside.
pub(crate) async fn has_events_aside(connection: &mut Connection) -> Result<bool> {
    connection.has_table(ASIDE).await.map_err(Error::doing("looking for audit records without a user"))
}

/// Returns the statements that move the records back once the log may name any actor.
pub(crate) async fn events_back(connection: &mut Connection) -> Result<Vec<String>> {
    if !has_events_aside(connection).await? {
        return Ok(Vec::new());
    }
    Ok(vec![
        format!("INSERT INTO \"AuditLog\" ({COLUMNS}) SELECT {COLUMNS} FROM {ASIDE}"),
        format!("DROP TABLE {ASIDE}"),
    ])
}

/// Drops the events that were set aside, as a reset deletes them too.
pub(crate) async fn forget_events(connection: &mut Connection) -> Result<()> {
    let sql = format!("DROP TABLE IF EXISTS {ASIDE}");
    connection.execute(&sql).await.map_err(Error::doing("emptying the audit log before the reset"))
}
