//! The version and the state of the server.

use crate::doctor::check::{CheckSpec, postgres};

pub(super) const REPLICA: CheckSpec = postgres(
    "server.replica",
    "This server is a replica, so some checks were not made and nothing can be fixed here.",
    "SELECT CASE WHEN pg_is_in_recovery() THEN 'warning' ELSE 'ok' END, 'server', CASE WHEN pg_is_in_recovery() THEN 'is in recovery' ELSE 'is a primary' END, NULL, NULL",
)
.warns()
.fix("run the diagnosis on the primary", "none");

/// The first minor versions without the holes CVE-2025-12817 and CVE-2025-12818 (November 2025).
pub(super) const MINOR_VERSION: CheckSpec = postgres(
    "server.minor-version",
    "The server's version has known security holes, or its maintenance has ended.",
    "SELECT CASE WHEN v < 140000 THEN 'critical' WHEN v < 150000 OR (v >= 150000 AND v < 150015) OR (v >= 160000 AND v < 160011) \
         OR (v >= 170000 AND v < 170007) OR (v >= 180000 AND v < 180001) THEN 'warning' ELSE 'ok' END, 'server', 'PostgreSQL ' || current_setting('server_version'), NULL, NULL \
     FROM (SELECT current_setting('server_version_num')::int AS v) s",
)
.fix("install the newest minor version and restart", "a restart");

pub(super) const INVALID_DATABASE: CheckSpec = postgres(
    "server.invalid-database",
    "An interrupted DROP DATABASE left a database that cannot be opened and occupies space.",
    "SELECT 'warning', 'database ' || quote_ident(datname), 'is invalid', 'DROP DATABASE ' || quote_ident(datname), 'none' FROM pg_database WHERE datconnlimit = -2",
)
.warns()
.fix("DROP DATABASE that database", "none");

pub(super) const COLLATION: CheckSpec = postgres(
    "server.collation",
    "The operating system sorts text differently since the indexes were built, so they may miss rows.",
    "SELECT 'critical', 'database ' || quote_ident(datname), 'was created with collation version ' || datcollversion || ', and the system has ' \
         || coalesce(pg_database_collation_actual_version(oid), 'none'), \
       'REINDEX DATABASE CONCURRENTLY ' || quote_ident(datname), 'SHARE UPDATE EXCLUSIVE per index; then ALTER DATABASE ' || quote_ident(datname) || ' REFRESH COLLATION VERSION' \
     FROM pg_database WHERE datname = current_database() AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid) AND datcollversion IS NOT NULL \
     UNION ALL SELECT 'critical', 'collation ' || quote_ident(collname), 'has version ' || collversion || ', and the system has ' || coalesce(pg_collation_actual_version(oid), 'none'), NULL, NULL \
     FROM pg_collation WHERE collversion IS DISTINCT FROM pg_collation_actual_version(oid) AND collversion IS NOT NULL \
       AND EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE a.attcollation = pg_collation.oid AND c.relnamespace = 'public'::regnamespace)",
)
.healthy("text sorts as when the database was created")
.fix("REINDEX DATABASE CONCURRENTLY, then ALTER DATABASE … REFRESH COLLATION VERSION", "SHARE UPDATE EXCLUSIVE; readers and writers continue");
