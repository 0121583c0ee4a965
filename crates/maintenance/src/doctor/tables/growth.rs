//! Sizes, growth and the cache.

use crate::doctor::check::{CheckSpec, Look, by_code, postgres};

pub(super) const CACHE_HITS: CheckSpec = postgres(
    "tables.cache-hits",
    "Reads find too few pages in the server's cache.",
    "SELECT CASE WHEN hits <= {c} THEN 'critical' WHEN hits <= {w} THEN 'warning' ELSE 'ok' END, 'database', \
       round(hits::numeric, 1) || ' percent of ' || reads || ' page reads were in the cache', NULL, NULL \
     FROM (SELECT blks_hit + blks_read AS reads, 100.0 * blks_hit / greatest(blks_hit + blks_read, 1) AS hits FROM pg_stat_database \
       WHERE datname = current_database()) d WHERE reads > 1000000",
)
.healthy("too few reads since the statistics began to judge, or enough hits")
.limits(90.0, 50.0, "percent, at most")
.warns()
.fix("raise shared_buffers to a quarter of the memory and restart", "a restart");

pub(super) const GROWTH: CheckSpec = by_code("tables.growth", "The database grows fast.", Look::Code)
    .limits(50.0, 300.0, "percent in 30 days")
    .warns()
    .fix("rylie size --json, and find the table that grows", "none");

pub(super) const DISK: CheckSpec =
    by_code("tables.disk-full", "The disk will be full soon at the present growth.", Look::Code)
        .limits(30.0, 7.0, "days left, at most")
        .fix("add disk space, or remove data (`rylie maintain purge`, `rylie maintain usage-events`)", "none");

pub(super) const EXTENSION: CheckSpec = postgres(
    "tables.outdated-extension",
    "An extension has an older version in the database than its files on the server.",
    "SELECT 'warning', 'extension ' || quote_ident(e.extname), 'has version ' || e.extversion || ', and ' || a.default_version || ' is installed', \
       'ALTER EXTENSION ' || quote_ident(e.extname) || ' UPDATE', 'ACCESS EXCLUSIVE on its objects for a moment' \
     FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname WHERE a.default_version <> e.extversion",
)
.warns()
.fix("ALTER EXTENSION … UPDATE", "ACCESS EXCLUSIVE on its objects for a moment");
