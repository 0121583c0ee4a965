//! PostgreSQL: connecting, and what the login and the database allow.

use std::time::Duration;

use rylie_driver::postgres_address;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool, Row};

use crate::bounds::answered;
use crate::cache::GOODBYE_WITHIN;
use crate::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::pool::{Auditing, AuditingRole};
use crate::pool_options::PoolOptions;
use crate::prepared::DEALLOCATE;

/// Prevents a table in the login's own schema or a temporary one from shadowing ours.
pub(super) const SEARCH_PATH: &str = "pg_catalog,public,pg_temp";

/// The `application_name` of sessions whose URL has none.
const NAME: &str = "rylie";

/// The privilege that allows assuming a role: from PostgreSQL 16 on, membership is not enough.
const TAKE: &str = "CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END";

pub(super) async fn connect(url: &str, options: &PoolOptions) -> Result<PgPool> {
    // Connect once outside the pool: the pool would retry until its timeout and hide the reason.
    goodbye(connect_in_time(url, options).await?).await;
    // No ping before each acquire: it costs a round trip, and `Pool::begin` replaces connections that died while idle.
    let mut pool = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false);
    if !options.behind_pooler {
        pool = pool.after_release(|conn, _| Box::pin(async move { conn.execute(DEALLOCATE).await.map(|_| true) }));
    }
    Ok(pool.connect_lazy_with(connect_options(url, options)?))
}

/// Opens a connection outside the pool, within the time limit for acquiring one.
pub(super) async fn connect_in_time(url: &str, options: &PoolOptions) -> Result<PgConnection> {
    let connect = connect_options(url, options)?;
    let connected = tokio::time::timeout(options.acquire_timeout, connect.connect()).await;
    Ok(connected.map_err(|_| Error::unreachable(sqlx::Error::PoolTimedOut))??)
}

/// Closes a connection outside the pool and ignores errors.
pub(super) async fn goodbye(connection: PgConnection) {
    let _ = answered(Some(GOODBYE_WITHIN), connection.close()).await;
}

/// Opens a connection outside every pool.
pub(crate) async fn connect_alone(url: &str, options: &PoolOptions) -> Result<PgConnection> {
    Ok(connect_options(url, options)?.connect().await?)
}

fn connect_options(url: &str, options: &PoolOptions) -> Result<PgConnectOptions> {
    let connect = postgres_address(url, NAME)?;
    Ok(if options.behind_pooler {
        // The pooler may refuse startup parameters, so each unit sets its search path itself.
        connect.statement_cache_capacity(0).extra_float_digits(None)
    } else {
        connect.options([
            ("statement_timeout", millis(options.statement_timeout)),
            ("lock_timeout", millis(options.lock_timeout)),
            // Whatever the login or the database sets: writing units rely on it.
            ("default_transaction_isolation", "read committed".to_owned()),
            ("idle_in_transaction_session_timeout", millis(options.idle_in_transaction_timeout)),
            // The server cancels statements of lost clients: it checks the connection while it works, and keepalives
            // check it while it waits.
            ("client_connection_check_interval", "10s".to_owned()),
            ("tcp_keepalives_idle", "60".to_owned()),
            ("tcp_keepalives_interval", "10".to_owned()),
            ("tcp_keepalives_count", "6".to_owned()),
            ("search_path", SEARCH_PATH.to_owned()),
        ])
    })
}

/// Returns the database in words, without the password.
pub(super) fn target(url: &str) -> Result<String> {
    Ok(Endpoint::target_of_postgres(&postgres_address(url, NAME)?))
}

fn millis(limit: Duration) -> String {
    limit.as_millis().to_string()
}

/// The database roles that a login may assume.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Takes {
    /// The roles of tenant and identity units.
    pub(super) units: bool,
    /// The role of platform units.
    pub(super) platform: bool,
}

/// Returns which database roles this login may assume. The roles must also have their rights in this database: roles
/// are global to the server, so another database's migration may have created them.
pub(super) async fn may_take_roles(conn: &mut PgConnection) -> Result<Takes> {
    // Unprepared: a pooler may run a prepared statement on another server connection.
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
            "this login may not assume the database roles, so row-level security does not protect its units; unless it owns \
             the tables, it may see no rows. If it serves units, run `rylie migrate deploy` and `rylie roles provision --app` with \
             its name. A login that only reads needs no change"
        );
    }
    Ok(takes)
}

/// Returns whether the database was adopted and the adoption is not finished. A login that may not read the marker
/// infers it from the policies, which are then enabled and not forced.
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

/// Returns how this login reads the audit log: by itself if no policy applies to it and it may read the log, and by the
/// auditor role if it may assume it.
pub(super) async fn auditing(conn: &mut PgConnection, takes_platform: bool) -> Result<Auditing> {
    let sql = format!(
        "SELECT r.rolsuper OR r.rolbypassrls, (SELECT coalesce(bool_and(has_table_privilege(t.oid, 'SELECT')), false) FROM log t), \
         EXISTS (SELECT FROM pg_roles a WHERE a.rolname = 'rylie_auditor' AND pg_has_role(current_user, a.oid, {TAKE})), \
         (SELECT count(*) = 5 FROM log) FROM pg_roles r WHERE r.rolname = current_user"
    );
    let log = AUDIT_LOG.map(|table| format!("(to_regclass('{table}'))")).join(", ");
    let sql = format!(
        "WITH log AS (SELECT c.oid FROM (VALUES {log}) AS t(oid) JOIN pg_class c ON c.oid = t.oid AND c.relkind IN ('r', 'p', 'v')) {sql}"
    );
    let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
    let (exempt, reads): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let (auditor, is_there): (bool, bool) = (row.try_get(2)?, row.try_get(3)?);
    let role = match (exempt && reads, takes_platform, auditor) {
        (true, ..) | (false, false, false) => AuditingRole::Login,
        (false, true, _) => AuditingRole::Platform,
        (false, false, true) => AuditingRole::Auditor,
    };
    // A login without the right gets the error of its first read, which names the right.
    Ok(Auditing { role, is_lockable: is_there && (reads || role != AuditingRole::Login) })
}

/// The tables that a verification reads.
pub(super) const AUDIT_LOG: [&str; 5] = [
    "public.\"AuditLog\"",
    "public.rylie_audit_batch",
    "public.rylie_audit_tenant",
    "public.rylie_audit_leaf",
    "public.rylie_audit_pending",
];

/// Returns whether the functions exist that save work: a tenant's rows by id, a session by its token, adding a request,
/// checking a session, saving a connection to Google, changing a status, and the last part of the kept numbers of requests.
pub(super) async fn has_functions(conn: &mut PgConnection) -> Result<[bool; 7]> {
    // They run as the login, so only functions of the tables' owner are accepted.
    let sql = "SELECT count(*) FILTER (WHERE use = 'by id') = 2, count(*) FILTER (WHERE use = 'sign in') = 1, \
               count(*) FILTER (WHERE use = 'add') = 1, count(*) FILTER (WHERE use = 'hold') = 1, count(*) FILTER (WHERE use = 'save') = 2, \
               count(*) FILTER (WHERE use = 'status') = 1, count(*) FILTER (WHERE use = 'count') = 1 \
               FROM (VALUES ('rylie_requests_by_id(text, text[])', 'Request', 'by id'), \
               ('rylie_tasks_by_id(text, text[])', 'Task', 'by id'), \
               ('rylie_session(text, timestamp)', 'Session', 'sign in'), \
               ('rylie_add_request(text, text, text, boolean, text, text, text)', 'Request', 'add'), \
               ('rylie_hold_session(text, text, text, text, text, text, timestamp)', 'Session', 'hold'), \
               ('rylie_save_ga4_connection(text, text, text, boolean, text, text, text, timestamp, text, text, timestamp, text)', 'GA4Connection', 'save'), \
               ('rylie_save_search_console_connection(text, text, text, boolean, text, text, text, timestamp, text, text, timestamp, text)', 'SearchConsoleConnection', 'save'), \
               ('rylie_set_request_status(text, text, boolean, text, text, timestamp, text)', 'Request', 'status'), \
               ('rylie_recount_requests()', 'Request', 'count')) f (name, \"table\", use) \
               JOIN pg_proc p ON p.oid = to_regprocedure('public.' || name) AND has_function_privilege(p.oid, 'EXECUTE') \
               JOIN pg_class t ON t.oid = to_regclass(format('public.%I', \"table\")) AND t.relowner = p.proowner";
    let row = sqlx::raw_sql(sql).fetch_one(&mut *conn).await?;
    let mut exist = [false; 7];
    for (place, exists) in exist.iter_mut().enumerate() {
        *exists = row.try_get(place)?;
    }
    Ok(exist)
}

pub(super) async fn applied_migrations(conn: &mut PgConnection) -> Result<Vec<String>> {
    // Unprepared, for poolers.
    let there = sqlx::raw_sql("SELECT 1 WHERE to_regclass('public.seaql_migrations') IS NOT NULL")
        .fetch_optional(&mut *conn)
        .await?;
    if there.is_none() {
        return Ok(Vec::new());
    }
    let names = sqlx::raw_sql("SELECT version FROM public.seaql_migrations").fetch_all(&mut *conn).await?;
    names.iter().map(|name| Ok(name.try_get(0)?)).collect()
}
