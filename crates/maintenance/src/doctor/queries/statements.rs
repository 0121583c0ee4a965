//! Statements from `pg_stat_statements`. The server has replaced their values.

use crate::doctor::check::{CheckSpec, Need, postgres};

const STATISTICS: &[Need] = &[Need::Extension("pg_stat_statements"), Need::Statistics];

pub(super) const EXTENSION: CheckSpec = postgres(
    "queries.statistics",
    "The server keeps no statistics of statements, so slow ones cannot be named.",
    "SELECT CASE WHEN loaded AND created THEN 'ok' ELSE 'warning' END, 'extension pg_stat_statements', CASE WHEN NOT loaded THEN 'is not in shared_preload_libraries' \
         WHEN NOT created THEN 'is loaded and not created in this database' ELSE 'is in use' END, CASE WHEN loaded AND NOT created THEN 'CREATE EXTENSION pg_stat_statements' END, 'none' \
     FROM (SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded, EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS created) e",
)
.warns()
.fix("add pg_stat_statements to shared_preload_libraries, restart, CREATE EXTENSION pg_stat_statements", "a restart");

pub(super) const SLOW: CheckSpec = postgres(
    "queries.slow",
    "A statement is slow on average.",
    "SELECT CASE WHEN mean_exec_time >= {c} THEN 'critical' WHEN mean_exec_time >= {w} THEN 'warning' END, 'statement ' || coalesce(queryid::text, 'of another login'), \
       round(mean_exec_time::numeric, 1) || ' ms on average over ' || calls || ' calls: ' || {query}, NULL, NULL \
     FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND calls >= 5 AND query !~* '^\\s*(vacuum|analyze|create|reindex|copy|alter|refresh)' AND {not_ours} \
     ORDER BY mean_exec_time DESC LIMIT 20",
)
.healthy("no statement is slow on average")
.limits(500.0, 5_000.0, "milliseconds")
.needs(STATISTICS)
.fix("EXPLAIN it in the tenant's role (handbook, chapter 5), and add an index by a migration", "SHARE UPDATE EXCLUSIVE with CONCURRENTLY");

pub(super) const SHARE: CheckSpec = postgres(
    "queries.share",
    "One statement takes most of the server's time.",
    "SELECT CASE WHEN share >= {c} THEN 'critical' WHEN share >= {w} THEN 'warning' END, 'statement ' || coalesce(queryid::text, 'of another login'), \
       round(share::numeric) || ' percent of the time of all statements, ' || calls || ' calls: ' || {query}, NULL, NULL \
     FROM (SELECT queryid, query, calls, total_exec_time, sum(total_exec_time) OVER () AS total, 100 * total_exec_time / greatest(sum(total_exec_time) OVER (), 1) AS share FROM pg_stat_statements) s WHERE total > 600000",
)
.healthy("no statement takes most of the time, or too little time was measured")
.limits(50.0, 90.0, "percent")
.needs(STATISTICS)
.warns()
.fix("EXPLAIN it in the tenant's role (handbook, chapter 5); read by lists instead of by id", "none");

pub(super) const REPEATED: CheckSpec = postgres(
    "queries.repeated",
    "A statement that reads one row is called far more often than units begin, so a loop may read rows one by one.",
    "SELECT CASE WHEN s.calls >= {c} * u.units THEN 'critical' WHEN s.calls >= {w} * u.units THEN 'warning' END, 'statement ' || coalesce(queryid::text, 'of another login'), \
       s.calls || ' calls in ' || u.units || ' units: ' || {query}, NULL, NULL \
     FROM pg_stat_statements s, (SELECT greatest(sum(calls), 1) AS units FROM pg_stat_statements WHERE query ILIKE '%set_config(%role%') u \
     WHERE s.query ~* '^\\s*select' AND s.calls >= 10000 AND s.rows <= s.calls * 1.1 AND s.query !~* 'set_config'",
)
.healthy("no statement is called in a loop")
.limits(20.0, 1_000.0, "calls a unit")
.needs(STATISTICS)
.warns()
.fix("use `Loader`, or a list (handbook, chapter 5, Batching)", "none");

pub(super) const EVICTED: CheckSpec = postgres(
    "queries.evicted",
    "The statistics of statements overflow, so the slowest may be missing.",
    "SELECT CASE WHEN dealloc >= {w} THEN 'warning' ELSE 'ok' END, 'extension pg_stat_statements', 'statistics were discarded ' || dealloc || ' times', 'ALTER SYSTEM SET pg_stat_statements.max = 20000', 'a restart' FROM pg_stat_statements_info",
)
.limits(10.0, 1_000_000.0, "times")
.needs(STATISTICS)
.warns()
.fix("ALTER SYSTEM SET pg_stat_statements.max = 20000, and restart", "a restart");
