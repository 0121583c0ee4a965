//! Connections and running statements.

use crate::doctor::check::{CheckSpec, Need, postgres};

/// A login without `pg_read_all_stats` sees the sessions of others without their kind and state.
pub(super) const CONNECTIONS: CheckSpec = postgres(
    "activity.connections",
    "The server has few connections left, and refuses sessions when there are none.",
    "SELECT CASE WHEN used * 100 >= most * {c} THEN 'critical' WHEN used * 100 >= most * {w} THEN 'warning' ELSE 'ok' END, 'server', \
       used || ' of ' || most || ' connections are in use: ' || states, NULL, NULL \
     FROM (SELECT sum(n) AS used, string_agg(n || ' ' || state, ', ' ORDER BY n DESC) AS states, \
         current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most \
       FROM (SELECT coalesce(state, 'of other logins') AS state, count(*) AS n FROM pg_stat_activity \
         WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend' GROUP BY 1) s) t",
)
.limits(80.0, 95.0, "percent")
.fix("rylie doctor --only activity, end idle sessions, and lower max_connections of the services", "none");

pub(super) const CONNECTION_LIMITS: CheckSpec = postgres(
    "activity.connection-limits",
    "A login or a database is near its own limit of connections.",
    "SELECT CASE WHEN used * 100 >= most * {c} THEN 'critical' WHEN used * 100 >= most * {w} THEN 'warning' END, object, \
       used || ' of ' || most || ' connections are in use', fix, 'none; new sessions only' \
     FROM (SELECT 'role ' || quote_ident(rolname) AS object, rolconnlimit AS most, \
         (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid) AS used, \
         'ALTER ROLE ' || quote_ident(rolname) || ' CONNECTION LIMIT ' || greatest(rolconnlimit * 2, 10) AS fix FROM pg_roles r WHERE rolconnlimit >= 0 AND rolcanlogin \
       UNION ALL SELECT 'database ' || quote_ident(datname), datconnlimit, \
         (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid), \
         'ALTER DATABASE ' || quote_ident(datname) || ' CONNECTION LIMIT ' || greatest(datconnlimit * 2, 10) FROM pg_database d \
         WHERE datconnlimit >= 0 AND datname = current_database()) l",
)
.limits(80.0, 95.0, "percent")
.fix("raise the limit, or lower max_connections of the service", "none");

pub(super) const IDLE_SESSIONS: CheckSpec = postgres(
    "activity.idle-sessions",
    "Many sessions have been idle for an hour, and each keeps a connection and memory.",
    "SELECT CASE WHEN count(*) >= {c} THEN 'critical' WHEN count(*) >= {w} THEN 'warning' END, 'login ' || quote_ident(usename), \
       count(*) || ' sessions of ' || coalesce(nullif(application_name, ''), 'an unnamed application') || ' are idle for more than an hour', NULL, NULL \
     FROM pg_stat_activity WHERE state = 'idle' AND state_change < clock_timestamp() - interval '1 hour' AND {kind} = 'client' \
     GROUP BY usename, application_name",
)
.limits(20.0, 100.0, "sessions")
.needs(&[Need::Statistics])
.fix("lower max_connections of that service, or set idle_session_timeout for its login", "none");

pub(super) const LONG_QUERIES: CheckSpec = postgres(
    "activity.long-queries",
    "A statement runs long, and may hold locks, memory and old row versions.",
    "SELECT CASE WHEN age >= {c} THEN 'critical' WHEN age >= {w} THEN 'warning' END, 'pid ' || pid, \
       quote_ident(usename) || ' has run a statement for ' || age || ' s: ' || {query}, 'rylie doctor cancel ' || pid, \
       'none; the statement is rolled back' \
     FROM (SELECT *, extract(epoch FROM clock_timestamp() - query_start)::bigint AS age FROM pg_stat_activity \
       WHERE state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock' AND pid <> pg_backend_pid() AND {kind} = 'client') a",
)
.limits(300.0, 1_800.0, "seconds")
.needs(&[Need::Statistics])
.fix("rylie doctor cancel PID", "none; the statement is rolled back");

pub(super) const LONG_OPERATIONS: CheckSpec = postgres(
    "activity.long-operations",
    "A migration, a backup or a maintenance job has run for hours.",
    "SELECT CASE WHEN age >= {c} THEN 'critical' WHEN age >= {w} THEN 'warning' END, 'pid ' || pid, \
       kind || ' of ' || coalesce(quote_ident(usename), 'the server') || ' has run for ' || age || ' s', NULL, NULL \
     FROM (SELECT pid, usename, {kind} AS kind, extract(epoch FROM clock_timestamp() - xact_start)::bigint AS age FROM pg_stat_activity \
       WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()) a WHERE kind IN ('backup', 'migration', 'maintenance', 'autovacuum worker')",
)
.limits(21_600.0, 86_400.0, "seconds")
.needs(&[Need::Statistics])
.fix("wait for it; if it hangs, `rylie doctor terminate PID --force`", "none; its work is rolled back");

pub(super) const CONTENTION: CheckSpec = postgres(
    "activity.contention",
    "Many sessions wait for the same resource of the server.",
    "SELECT CASE WHEN count(*) >= {c} THEN 'critical' WHEN count(*) >= {w} THEN 'warning' END, wait_event_type || ' ' || wait_event, \
       count(*) || ' active sessions wait for it', NULL, NULL \
     FROM pg_stat_activity WHERE state = 'active' AND wait_event_type IN ('LWLock', 'BufferPin', 'IO', 'Lock') AND pid <> pg_backend_pid() \
     GROUP BY wait_event_type, wait_event",
)
.limits(10.0, 30.0, "sessions")
.needs(&[Need::Statistics])
.fix("see activity.blocking and queries.slow for the cause", "none");

pub(super) const AUTOVACUUM: CheckSpec = postgres(
    "activity.autovacuum-busy",
    "All autovacuum workers are busy with long tables, so other tables wait.",
    "SELECT CASE WHEN busy * 100 >= most * {c} THEN 'critical' WHEN busy * 100 >= most * {w} THEN 'warning' ELSE 'ok' END, 'server', \
       busy || ' of ' || most || ' autovacuum workers have run for more than an hour', NULL, NULL \
     FROM (SELECT count(*) AS busy, current_setting('autovacuum_max_workers')::int AS most FROM pg_stat_activity \
       WHERE backend_type = 'autovacuum worker' AND xact_start < clock_timestamp() - interval '1 hour') t",
)
.limits(100.0, 1_000.0, "percent")
.needs(&[Need::Statistics])
.warns()
.fix("ALTER SYSTEM SET autovacuum_vacuum_cost_limit = 2000; then SELECT pg_reload_conf()", "none");
