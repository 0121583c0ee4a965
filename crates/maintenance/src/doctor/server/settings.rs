//! Settings worth changing.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const TEMPORARY_FILES: CheckSpec = postgres(
    "server.temporary-files",
    "Statements sort and join on disk, because work_mem is too small for them.",
    "SELECT CASE WHEN temp_bytes / days >= {c} THEN 'critical' WHEN temp_bytes / days >= {w} THEN 'warning' ELSE 'ok' END, 'database', \
       temp_files || ' temporary files with ' || pg_size_pretty(temp_bytes) || ' in ' || round(days::numeric, 1) || ' days', NULL, NULL \
     FROM (SELECT temp_files, temp_bytes, greatest(extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) / 86400, 1) AS days \
       FROM pg_stat_database WHERE datname = current_database()) d",
)
.limits(1_073_741_824.0, 107_374_182_400.0, "bytes a day")
.warns()
.fix("ALTER SYSTEM SET log_temp_files = '10MB' to find them; then raise work_mem for that login", "none");

pub(super) const AUTOVACUUM: CheckSpec = postgres(
    "server.autovacuum",
    "Autovacuum is off, so tables grow and transaction ids run out.",
    "SELECT CASE setting WHEN 'off' THEN 'critical' ELSE 'ok' END, 'setting autovacuum', 'is ' || setting, \
       'ALTER SYSTEM SET autovacuum = on', 'none; then SELECT pg_reload_conf()' FROM pg_settings WHERE name = 'autovacuum'",
)
.fix("ALTER SYSTEM SET autovacuum = on, then SELECT pg_reload_conf()", "none");

pub(super) const TRACK_COUNTS: CheckSpec = postgres(
    "server.track-counts",
    "The server counts nothing, so autovacuum and half of these checks are blind.",
    "SELECT CASE WHEN reset_val = 'off' THEN 'critical' ELSE 'ok' END, 'setting track_counts', 'is ' || reset_val, \
       'ALTER SYSTEM SET track_counts = on', 'none; then SELECT pg_reload_conf()' FROM pg_settings WHERE name = 'track_counts'",
)
.fix("ALTER SYSTEM SET track_counts = on, then SELECT pg_reload_conf()", "none");

/// The library's pool sets its own limits. This concerns every other client: a console, the old service, a report.
pub(super) const TIMEOUTS: CheckSpec = postgres(
    "server.timeouts",
    "Sessions of other clients have no time limits, so a forgotten one blocks for ever.",
    "SELECT 'warning', 'setting ' || name, 'is 0, without limit', 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET ' || name || ' = ' \
         || CASE name WHEN 'statement_timeout' THEN '''5min''' WHEN 'lock_timeout' THEN '''30s''' ELSE '''10min''' END, 'none; new sessions only' \
     FROM pg_settings WHERE name IN ('idle_in_transaction_session_timeout', 'statement_timeout', 'lock_timeout') AND reset_val = '0' \
       AND NOT EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setrole = 0 AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
         AND c LIKE name || '=%' AND c <> name || '=0') \
     UNION ALL SELECT 'warning', 'login ' || quote_ident(pg_get_userbyid(s.setrole)), 'sets ' || split_part(c, '=', 1) || ' to 0, without limit', \
       'ALTER ROLE ' || quote_ident(pg_get_userbyid(s.setrole)) || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' IN DATABASE ' || quote_ident(current_database()) END || ' RESET ' || split_part(c, '=', 1), 'none; new sessions only' \
     FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setrole <> 0 AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
       AND c IN ('idle_in_transaction_session_timeout=0', 'statement_timeout=0', 'lock_timeout=0')",
)
.healthy("statements, locks and idle transactions have limits")
.warns()
.fix("ALTER DATABASE … SET idle_in_transaction_session_timeout = '10min'", "none; new sessions only");

/// The session of the diagnosis is read-only by its own choice, so the defaults are looked at.
pub(super) const READ_ONLY: CheckSpec = postgres(
    "server.read-only",
    "New sessions may not write, so the service fails.",
    "SELECT 'critical', 'setting default_transaction_read_only', 'is on for every session of the server', 'ALTER SYSTEM RESET default_transaction_read_only', 'none; then SELECT pg_reload_conf()' \
       FROM pg_settings WHERE name = 'default_transaction_read_only' AND reset_val = 'on' AND source NOT IN ('database', 'user', 'database user', 'client', 'session', 'override') AND NOT pg_is_in_recovery() \
     UNION ALL SELECT CASE WHEN s.setrole = 0 OR EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = s.setrole AND g.rolname = 'rylie_doors') THEN 'critical' END, \
       CASE WHEN s.setrole = 0 THEN 'database' ELSE 'role ' || quote_ident(pg_get_userbyid(s.setrole)) END, 'sets default_transaction_read_only', \
       'ALTER ' || CASE WHEN s.setrole = 0 THEN 'DATABASE ' || quote_ident(current_database()) \
         ELSE 'ROLE ' || quote_ident(pg_get_userbyid(s.setrole)) || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' IN DATABASE ' || quote_ident(current_database()) END END || ' RESET default_transaction_read_only', 'none; new sessions only' \
       FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND c ~ '^default_transaction_read_only=(on|true|yes|1)$'",
)
.healthy("sessions of the service may write")
.fix("ALTER … RESET default_transaction_read_only", "none; new sessions only");

pub(super) const SHARED_BUFFERS: CheckSpec = postgres(
    "server.shared-buffers",
    "The server's cache is small for the size of the database.",
    "SELECT CASE WHEN bytes >= {c} * buffers AND buffers < 8589934592 THEN 'critical' WHEN bytes >= {w} * buffers AND buffers < 8589934592 THEN 'warning' ELSE 'ok' END, 'setting shared_buffers', \
       'is ' || pg_size_pretty(buffers) || ' for a database of ' || pg_size_pretty(bytes), NULL, NULL \
     FROM (SELECT pg_database_size(current_database()) AS bytes, pg_size_bytes(current_setting('shared_buffers')) AS buffers) s",
)
.limits(20.0, 1_000.0, "times the cache")
.warns()
.fix("ALTER SYSTEM SET shared_buffers to a quarter of the memory, and restart", "a restart");

pub(super) const PENDING_RESTART: CheckSpec = postgres(
    "server.pending-restart",
    "A setting was changed and is not in force before a restart.",
    "SELECT 'warning', 'setting ' || name, 'was changed; the server still uses ' || setting, NULL, NULL FROM pg_settings WHERE pending_restart",
)
.needs(&[Need::Statistics])
.warns()
.fix("restart the server in a maintenance window", "a restart");
