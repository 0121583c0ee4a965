//! PostgreSQL: connecting, and the batch that begins a unit.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Row};

use crate::bounds::answered;
use crate::error::{Error, Result};
use crate::lender::GOODBYE_WITHIN;
use crate::log_position::LogPosition;
use crate::pool::{AuditingRole, Door};
use crate::pool_options::PoolOptions;
use crate::unit_options::Access;

/// A table in a schema of the login's name, or in a temporary one, must not stand before ours.
const SEARCH_PATH: &str = "pg_catalog,public,pg_temp";

/// How a role is asked for whether it can be taken: from PostgreSQL 16 on being its member is not enough.
const TAKE: &str = "CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END";

pub(super) async fn connect(url: &str, options: &PoolOptions) -> Result<PgPool> {
    // One connection by itself: the pool would go on trying until its time is up, and not say why it could not.
    goodbye(connect_in_time(url, options).await?).await;
    // No ping before each acquire: it would cost a round trip, and `Pool::begin` replaces what died while idle.
    let pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false);
    Ok(pool.connect_lazy_with(connect_options(url, options)?))
}

/// A connection by itself, within the time that a caller waits for one.
pub(super) async fn connect_in_time(url: &str, options: &PoolOptions) -> Result<PgConnection> {
    let connect = connect_options(url, options)?;
    let connected = tokio::time::timeout(options.acquire_timeout, connect.connect()).await;
    Ok(connected.map_err(|_| Error::unreachable(sqlx::Error::PoolTimedOut))??)
}

/// Closes a connection by itself. How the server takes it makes no difference.
pub(super) async fn goodbye(connection: PgConnection) {
    let _ = answered(Some(GOODBYE_WITHIN), connection.close()).await;
}

/// A connection beside every pool.
pub(crate) async fn connect_alone(url: &str, options: &PoolOptions) -> Result<PgConnection> {
    Ok(connect_options(url, options)?.connect().await?)
}

fn connect_options(url: &str, options: &PoolOptions) -> Result<PgConnectOptions> {
    let unreadable = |_| Error::Invalid {
        what: "the database URL",
        reason: "it must have the form postgres://user@host:port/database",
    };
    let connect = PgConnectOptions::from_str(url).map_err(unreadable)?.disable_statement_logging();
    Ok(if options.behind_pooler {
        // What a session is told at its start is the pooler's to refuse: a unit says its search path itself.
        connect.statement_cache_capacity(0).extra_float_digits(None)
    } else {
        connect.options([
            ("statement_timeout", millis(options.statement_timeout)),
            ("lock_timeout", millis(options.lock_timeout)),
            ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
            // The server ends what nobody waits for any more: it looks while it works, and the network is asked while it waits.
            ("client_connection_check_interval", "10s".to_owned()),
            ("tcp_keepalives_idle", "60".to_owned()),
            ("tcp_keepalives_interval", "10".to_owned()),
            ("tcp_keepalives_count", "6".to_owned()),
            ("search_path", SEARCH_PATH.to_owned()),
        ])
    })
}

fn millis(limit: Duration) -> String {
    limit.as_millis().to_string()
}

/// Which doors' roles a login may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Takes {
    /// Those of tenant and identity units.
    pub(super) units: bool,
    /// That of platform units.
    pub(super) platform: bool,
}

/// Whether this login may take the role of each door, and the roles have their rights in this database: they belong to
/// the whole server, so another database's migration may have made them.
pub(super) async fn may_take_roles(conn: &mut PgConnection) -> Result<Takes> {
    // Unprepared, as a pooler may send what follows the preparing to another server connection.
    let sql = format!(
        "SELECT count(*) FILTER (WHERE rolname <> 'rylie_platform'), count(*) FILTER (WHERE rolname = 'rylie_platform'), to_regclass('public.rylie_database') IS NOT NULL FROM pg_roles WHERE rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') \
         AND pg_has_role(current_user, oid, {TAKE}) AND NOT rolsuper AND NOT rolbypassrls \
         AND has_table_privilege(oid, to_regclass('public.\"AuditLog\"'), 'INSERT')"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
    let (granted, platform, migrated): (i64, i64, bool) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let takes = Takes { units: granted == 2, platform: platform == 1 };
    if migrated && !takes.units {
        tracing::warn!(
            "this login may not take the doors' roles, so row-level security does not protect its units; unless it owns \
             the tables it may even see no row. A superuser mends it: `rylie migrate deploy`, `GRANT rylie_doors TO` the login"
        );
    }
    Ok(takes)
}

/// Whether the database was adopted and the adoption is not finished. A login that may not read the mark goes by the
/// policies, which are enabled and not forced meanwhile.
pub(super) async fn is_shared_with_old_service(conn: &mut PgConnection) -> Result<bool> {
    let row = sqlx::raw_sql(
        "SELECT coalesce(has_table_privilege(to_regclass('public.rylie_database'), 'SELECT'), false), \
         EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('public.\"User\"') AND relrowsecurity AND NOT relforcerowsecurity)",
    )
    .fetch_one(&mut *conn)
    .await?;
    let (readable, unforced): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !readable {
        return Ok(unforced);
    }
    let mark = sqlx::raw_sql("SELECT state FROM public.rylie_database").fetch_optional(&mut *conn).await?;
    Ok(mark.map(|mark| mark.try_get::<String, _>(0)).transpose()?.is_some_and(|state| state == "coexistence"))
}

/// Whether this login may take the role of those who verify the audit log.
pub(super) async fn may_audit(conn: &mut PgConnection) -> Result<bool> {
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_auditor' AND pg_has_role(current_user, oid, {TAKE})) \
         AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
    );
    Ok(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?.try_get(0)?)
}

/// Whether the functions are there through which a tenant's rows are read in one round trip.
pub(super) async fn has_functions(conn: &mut PgConnection) -> Result<bool> {
    // They are run as the login: whoever owns the tables may make them, and nobody else.
    let sql = "SELECT count(*) = 2 FROM (VALUES ('rylie_requests_by_id', 'Request'), ('rylie_tasks_by_id', 'Task')) f (name, \"table\") \
               JOIN pg_proc p ON p.oid = to_regprocedure('public.' || name || '(text, text[])') AND has_function_privilege(p.oid, 'EXECUTE') \
               JOIN pg_class t ON t.oid = to_regclass(format('public.%I', \"table\")) AND t.relowner = p.proowner";
    Ok(sqlx::raw_sql(sql).fetch_one(&mut *conn).await?.try_get(0)?)
}

/// `BEGIN`, the door's role and the tenant, in one text and so in one round trip.
pub(super) fn begin(door: &Door<'_>, access: Access, walls: bool, behind_pooler: bool) -> String {
    let mut begin = begin_at(door, access, walls);
    if behind_pooler {
        begin.push_str("; SET LOCAL search_path = ");
        begin.push_str(SEARCH_PATH);
    }
    begin
}

fn begin_at(door: &Door<'_>, access: Access, walls: bool) -> String {
    let begin = match access {
        Access::ReadWrite => "BEGIN",
        // One state of the database for all of its statements, as SQLite gives a reader anyway.
        Access::ReadOnly => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    };
    let door = match door {
        Door::Audit(AuditingRole::Platform) => "; SET LOCAL ROLE rylie_platform",
        Door::Audit(AuditingRole::Auditor) => "; SET LOCAL ROLE rylie_auditor",
        Door::Audit(AuditingRole::Login) => "; SET LOCAL row_security = off",
        _ if !walls => "",
        // One statement and not two, for the sake of the server: `SET LOCAL ROLE` is the same.
        Door::Tenant(tenant) => {
            let set = "; SELECT set_config('role', 'rylie_tenant', true), set_config('rylie.tenant', ";
            return [begin, set, &literal(tenant), ", true)"].concat();
        }
        Door::Identity => "; SET LOCAL ROLE rylie_identity",
        Door::Platform => "; SET LOCAL ROLE rylie_platform",
    };
    [begin, door].concat()
}

/// What a batch ends with on a replica, so that it fails where the server is not what it was last seen to be: the first
/// function is for servers in recovery alone, and fails on one that was promoted; the division fails on one that has not replayed so
/// much, as after a crash, or that is another one.
pub(super) fn on_replica(replayed: LogPosition) -> String {
    let behind = replayed.bytes();
    format!("; SELECT pg_is_wal_replay_paused(), 1 / (pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {behind})::int")
}

/// What a batch ends with so that no statement of the unit takes longer; zero would mean no limit at all.
pub(super) fn limit_statements(limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX as u128);
    format!("; SET LOCAL statement_timeout = {millis}")
}

/// The same for all units behind a pooler, whose connections have no limit of ours. A lower one of the server's stays.
pub(super) fn limit_statements_unless_lower(limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "; SELECT set_config('statement_timeout', CASE WHEN current_setting('statement_timeout')::interval \
         BETWEEN '1us' AND '{millis}ms' THEN current_setting('statement_timeout') ELSE '{millis}' END, true)"
    )
}

/// A string constant that reads the same whatever `standard_conforming_strings` says.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 3);
    literal.push_str("E'");
    for letter in text.chars().filter(|letter| *letter != '\0') {
        if matches!(letter, '\\' | '\'') {
            literal.push('\\');
        }
        literal.push(letter);
    }
    literal.push('\'');
    literal
}

pub(super) async fn applied_migrations(conn: &mut PgConnection) -> Result<Vec<String>> {
    // Unprepared, for the sake of poolers.
    let there = sqlx::raw_sql("SELECT 1 WHERE to_regclass('public.seaql_migrations') IS NOT NULL")
        .fetch_optional(&mut *conn)
        .await?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let names = sqlx::raw_sql("SELECT version FROM public.seaql_migrations").fetch_all(&mut *conn).await?;
    names.iter().map(|name| Ok(name.try_get(0)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_hostile_tenant_stays_inside_its_literal() {
        assert_eq!(literal(r"'; DROP TABLE x; --\"), r"E'\'; DROP TABLE x; --\\'");
    }
}
