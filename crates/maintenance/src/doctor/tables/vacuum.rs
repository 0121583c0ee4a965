//! Vacuum and the planner's statistics.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const DEAD_ROWS: CheckSpec = postgres(
    "tables.dead-rows",
    "Dead rows fill a table, so reads pass over them and it grows.",
    "SELECT CASE WHEN n_dead_tup * 100 >= {c} * (n_live_tup + n_dead_tup) THEN 'critical' WHEN n_dead_tup * 100 >= {w} * (n_live_tup + n_dead_tup) THEN 'warning' END, \
       'table ' || relid::regclass, n_dead_tup || ' dead rows and ' || n_live_tup || ' live ones; last vacuum ' \
         || coalesce(to_char(greatest(last_vacuum, last_autovacuum), 'YYYY-MM-DD HH24:MI'), 'never'), \
       'VACUUM (ANALYZE) ' || relid::regclass, 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_stat_user_tables WHERE schemaname = 'public' AND n_dead_tup >= 1000",
)
.limits(20.0, 60.0, "percent of the rows")
.fix("rylie maintain vacuum", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const AUTOVACUUM_OFF: CheckSpec = postgres(
    "tables.autovacuum-off",
    "A table is excluded from autovacuum, so its dead rows stay and its transaction ids age.",
    "SELECT 'warning', 'table ' || c.oid::regclass, 'has autovacuum_enabled = off', 'ALTER TABLE ' || c.oid::regclass || ' RESET (autovacuum_enabled)', \
       'SHARE UPDATE EXCLUSIVE for a moment' \
     FROM pg_class c, unnest(c.reloptions) o WHERE o ~ '^autovacuum_enabled=(f|off|n|0)' AND c.relnamespace = 'public'::regnamespace",
)
.warns()
.fix("ALTER TABLE … RESET (autovacuum_enabled)", "SHARE UPDATE EXCLUSIVE for a moment");

pub(super) const NEVER_ANALYZED: CheckSpec = postgres(
    "tables.never-analyzed",
    "The planner has no statistics of a table with rows, so it guesses.",
    "SELECT CASE WHEN n_live_tup >= {c} THEN 'critical' WHEN n_live_tup >= {w} THEN 'warning' END, 'table ' || s.relid::regclass, \
       'has about ' || n_live_tup || ' rows and was never analyzed', 'ANALYZE ' || s.relid::regclass, 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid WHERE schemaname = 'public' AND greatest(last_analyze, last_autoanalyze) IS NULL \
       AND NOT EXISTS (SELECT FROM pg_statistic p WHERE p.starelid = s.relid)",
)
.limits(500.0, 100_000.0, "rows")
.fix("rylie maintain analyze", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

/// A login without the right to read `pg_statistic` cannot tell a table without statistics.
pub(super) const STALE_STATISTICS: CheckSpec = postgres(
    "tables.stale-statistics",
    "Most rows of a table have changed since its statistics were taken.",
    "SELECT CASE WHEN n_mod_since_analyze * 100 >= {c} * n_live_tup THEN 'critical' WHEN n_mod_since_analyze * 100 >= {w} * n_live_tup THEN 'warning' END, \
       'table ' || relid::regclass, n_mod_since_analyze || ' changes since ' || to_char(greatest(last_analyze, last_autoanalyze), 'YYYY-MM-DD HH24:MI'), \
       'ANALYZE ' || relid::regclass, 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_stat_user_tables WHERE schemaname = 'public' AND greatest(last_analyze, last_autoanalyze) IS NOT NULL AND n_mod_since_analyze >= 1000",
)
.limits(50.0, 1_000.0, "percent of the rows")
.warns()
.fix("rylie maintain analyze", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const BLOAT: CheckSpec = postgres(
    "tables.bloat",
    "A table occupies several times the space of its rows.",
    "SELECT CASE WHEN bytes >= {c} * needed THEN 'critical' WHEN bytes >= {w} * needed THEN 'warning' END, 'table ' || name, \
       'occupies ' || pg_size_pretty(bytes) || ' for about ' || pg_size_pretty(needed::bigint) || ' of rows', NULL, NULL \
     FROM (SELECT c.oid::regclass::text AS name, pg_relation_size(c.oid) AS bytes, \
         c.reltuples * (28 + (SELECT sum(s.avg_width * (1 - s.null_frac)) FROM pg_stats s WHERE s.schemaname = 'public' AND s.tablename = c.relname)) * 1.2 AS needed \
       FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relpages > 1280 AND c.reltuples > 0) t WHERE needed > 0",
)
.limits(3.0, 10.0, "times the needed space")
.needs(&[Need::EveryTenant])
.warns()
.fix("VACUUM FULL in a maintenance window, or pg_repack", "ACCESS EXCLUSIVE while the table is rewritten");
