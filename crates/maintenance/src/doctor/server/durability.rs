//! Settings that protect committed data.

use crate::doctor::check::{CheckSpec, postgres};

pub(super) const FSYNC: CheckSpec = postgres(
    "server.fsync",
    "The server does not wait for the disk, so a crash of the machine damages the database.",
    "SELECT CASE setting WHEN 'off' THEN 'critical' ELSE 'ok' END, 'setting fsync', 'is ' || setting, \
       'ALTER SYSTEM SET fsync = on', 'none; then SELECT pg_reload_conf()' FROM pg_settings WHERE name = 'fsync'",
)
.fix("ALTER SYSTEM SET fsync = on, then SELECT pg_reload_conf()", "none");

pub(super) const FULL_PAGE_WRITES: CheckSpec = postgres(
    "server.full-page-writes",
    "A page that a crash cut in half cannot be repaired.",
    "SELECT CASE setting WHEN 'off' THEN 'critical' ELSE 'ok' END, 'setting full_page_writes', 'is ' || setting, \
       'ALTER SYSTEM SET full_page_writes = on', 'none; then SELECT pg_reload_conf()' FROM pg_settings WHERE name = 'full_page_writes'",
)
.fix("ALTER SYSTEM SET full_page_writes = on, then SELECT pg_reload_conf()", "none");

pub(super) const CHECKSUMS: CheckSpec = postgres(
    "server.checksums",
    "Pages have no checksums, so a failing disk damages rows unnoticed.",
    "SELECT CASE setting WHEN 'off' THEN 'warning' ELSE 'ok' END, 'server', 'data checksums are ' || setting, NULL, NULL FROM pg_settings WHERE name = 'data_checksums'",
)
.warns()
.fix("stop the server and run `pg_checksums --enable`", "the server is stopped meanwhile");

pub(super) const CHECKSUM_FAILURES: CheckSpec = postgres(
    "server.checksum-failures",
    "Pages on disk are damaged.",
    "SELECT CASE WHEN s.setting = 'off' THEN 'not-checked' WHEN f.n > 0 THEN 'critical' ELSE 'ok' END, 'server', \
       CASE WHEN s.setting = 'off' THEN 'data checksums are off' ELSE f.n || ' damaged pages were read' END, NULL, NULL \
     FROM pg_settings s, (SELECT coalesce(sum(checksum_failures), 0) AS n FROM pg_stat_database) f WHERE s.name = 'data_checksums'",
)
.fix("restore the newest verified backup on another disk (`rylie backup restore`)", "none");

pub(super) const SYNCHRONOUS_COMMIT: CheckSpec = postgres(
    "server.synchronous-commit",
    "Commits are acknowledged before they are on disk, so a crash loses the last ones.",
    "SELECT CASE reset_val WHEN 'off' THEN 'warning' ELSE 'ok' END, 'setting synchronous_commit', 'is ' || reset_val, \
       'ALTER SYSTEM SET synchronous_commit = on', 'none; then SELECT pg_reload_conf()' FROM pg_settings WHERE name = 'synchronous_commit' \
     UNION ALL SELECT 'warning', CASE WHEN s.setrole = 0 THEN 'database' ELSE 'role ' || quote_ident(pg_get_userbyid(s.setrole)) END, 'starts sessions with ' || c, \
       'ALTER ' || CASE WHEN s.setrole = 0 THEN 'DATABASE ' || quote_ident(current_database()) \
         ELSE 'ROLE ' || quote_ident(pg_get_userbyid(s.setrole)) || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' IN DATABASE ' || quote_ident(current_database()) END END \
         || ' RESET synchronous_commit', 'none; new sessions only' \
     FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND c ~ '^synchronous_commit=(off|0|false)'",
)
.warns()
.fix("ALTER SYSTEM SET synchronous_commit = on, then SELECT pg_reload_conf()", "none");
