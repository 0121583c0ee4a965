//! The version and the state of the server.

use crate::doctor::check::{CheckSpec, Look, by_code, postgres};
use crate::doctor::report::{Outcome, Verdict};

pub(super) const REPLICA: CheckSpec = by_code(
    "server.replica",
    "This server is a replica, so some checks were not made and nothing can be fixed here.",
    Look::PostgresCode,
)
.warns()
.fix("run the diagnosis on the primary", "none");

pub(super) const MINOR_VERSION: CheckSpec = by_code(
    "server.minor-version",
    "The server's version has known security holes, or its maintenance has ended.",
    Look::PostgresCode,
)
.fix("install the newest minor version and restart", "a restart");

/// Returns the outcome of `server.replica`.
#[must_use]
pub fn replica_outcome(in_recovery: bool) -> Outcome {
    if in_recovery {
        return Outcome::found(Verdict::Warning, "server", "is in recovery");
    }
    Outcome::ok("is a primary")
}

/// Returns the outcome of `server.minor-version` for a `server_version_num`.
///
/// The first minor versions without the holes CVE-2025-12817 and CVE-2025-12818 (November 2025) are good.
#[must_use]
pub fn minor_version_outcome(version: i32) -> Outcome {
    let (major, minor) = (version / 10_000, version % 10_000);
    let detail = format!("PostgreSQL {major}.{minor}");
    let is_old = match major {
        ..14 => return Outcome::found(Verdict::Critical, "server", detail),
        14 => true,
        15 => minor < 15,
        16 => minor < 11,
        17 => minor < 7,
        18 => minor < 1,
        _ => false,
    };
    if is_old { Outcome::found(Verdict::Warning, "server", detail) } else { Outcome::ok(detail) }
}

pub(super) const INVALID_DATABASE: CheckSpec = postgres(
    "server.invalid-database",
    "An interrupted DROP DATABASE left a database that cannot be opened and occupies space.",
    "SELECT 'warning', 'database ' || quote_ident(datname), 'is invalid', 'DROP DATABASE ' || quote_ident(datname), 'none' FROM pg_database d WHERE datconnlimit = -2 \
     AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.classid = 'pg_database'::regclass AND l.objid = d.oid AND l.mode = 'AccessExclusiveLock' AND l.granted)",
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
