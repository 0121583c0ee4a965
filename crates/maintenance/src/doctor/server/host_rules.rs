//! Rules and passwords of sessions.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const TRUST: CheckSpec = postgres(
    "server.trust",
    "A host rule lets clients in without a password, as any login.",
    "SELECT CASE WHEN type = 'local' OR address IN ('127.0.0.1', '::1', 'samehost', 'localhost') THEN 'warning' ELSE 'critical' END, \
       'pg_hba.conf line ' || line_number, type || ' ' || array_to_string(database, ',') || ' ' || array_to_string(user_name, ',') || coalesce(' ' || address, '') || ' trust', NULL, NULL \
     FROM pg_hba_file_rules WHERE auth_method = 'trust' AND error IS NULL AND NOT 'replication' = ALL (database)",
)
.fix("replace `trust` by `scram-sha-256` in pg_hba.conf, then SELECT pg_reload_conf()", "none; new sessions only");

pub(super) const FILE_ERRORS: CheckSpec = postgres(
    "server.file-errors",
    "A configuration file has errors, so a restart or a reload does not do what it says.",
    "SELECT 'warning', 'pg_hba.conf line ' || line_number, error, NULL, NULL FROM pg_hba_file_rules WHERE error IS NOT NULL \
     UNION ALL SELECT 'warning', sourcefile || ' line ' || sourceline, name || ': ' || error, NULL, NULL FROM pg_file_settings WHERE error IS NOT NULL AND NOT applied \
       AND error NOT LIKE '%without restarting%' AND name NOT IN (SELECT s.name FROM pg_settings s WHERE s.pending_restart)",
)
.warns()
.fix("correct the line, then SELECT pg_reload_conf()", "none");

pub(super) const PASSWORDS: CheckSpec = postgres(
    "server.password-encryption",
    "Passwords are stored as MD5 hashes, which are guessed quickly.",
    "SELECT CASE WHEN current_setting('password_encryption') = 'md5' THEN 'warning' ELSE 'ok' END, 'setting password_encryption', 'is ' || current_setting('password_encryption'), \
       'ALTER SYSTEM SET password_encryption = ''scram-sha-256''', 'none; then SELECT pg_reload_conf()' \
     UNION ALL SELECT 'warning', 'login ' || quote_ident(rolname), 'has an MD5 password', NULL, NULL FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%'",
)
.warns()
.fix("set password_encryption to scram-sha-256, and every such password again", "none");

pub(super) const LOGIN_EXPIRY: CheckSpec = postgres(
    "server.login-expiry",
    "The password of a login has expired or ends soon, and the server refuses it then.",
    "SELECT CASE WHEN days <= {c} THEN 'critical' WHEN days <= {w} THEN 'warning' END, 'login ' || quote_ident(rolname), \
       CASE WHEN days <= 0 THEN 'its password has expired at ' ELSE 'its password is valid until ' END || to_char(rolvaliduntil, 'YYYY-MM-DD HH24:MI'), \
       'ALTER ROLE ' || quote_ident(rolname) || ' VALID UNTIL ''infinity''', 'none; new sessions only' \
     FROM (SELECT rolname, rolvaliduntil, extract(epoch FROM rolvaliduntil - now()) / 86400 AS days FROM pg_roles WHERE rolcanlogin AND isfinite(rolvaliduntil)) r",
)
.healthy("no password of a login ends soon")
.limits(14.0, 2.0, "days left, at most")
.fix("set a new password, then ALTER ROLE … VALID UNTIL", "none; new sessions only");

pub(super) const TLS: CheckSpec = postgres(
    "server.unencrypted-sessions",
    "Sessions over the network are not encrypted.",
    "SELECT CASE WHEN count(*) >= {c} THEN 'critical' WHEN count(*) >= {w} THEN 'warning' END, 'login ' || quote_ident(a.usename), \
       count(*) || ' sessions from other machines without TLS', NULL, NULL \
     FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE NOT s.ssl AND a.client_addr IS NOT NULL \
       AND NOT a.client_addr <<= '127.0.0.0/8' AND a.client_addr <> '::1' GROUP BY a.usename",
)
.healthy("no session from another machine is without TLS")
.limits(1.0, 100_000.0, "sessions")
.needs(&[Need::Statistics])
.warns()
.fix("set ssl = on, use `hostssl` in pg_hba.conf and `sslmode=verify-full` in the URLs", "none; new sessions only");

/// A transaction pooler sets no application name of ours and keeps sessions of one login open. It needs `behind_pooler`.
pub(super) const POOLER: CheckSpec = postgres(
    "server.pooler",
    "Sessions come through a pooler, which needs the setting behind_pooler in the service.",
    "SELECT 'warning', 'application ' || quote_ident(application_name), count(*) || ' sessions come from a pooler', NULL, NULL FROM pg_stat_activity \
     WHERE application_name ~* '^(pgbouncer|pgcat|odyssey|supavisor|pgpool)' GROUP BY application_name",
)
.healthy("no session names a pooler")
.needs(&[Need::Statistics])
.warns()
.fix("set behind_pooler = true for services whose URL is the pooler's", "none");
