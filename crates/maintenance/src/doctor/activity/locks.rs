//! Locks and the sessions that wait for them.

use crate::doctor::check::{CheckSpec, Need, postgres};

/// A blocker of ten sessions is critical, independent of their wait.
const BLOCKING_SQL: &str = "WITH RECURSIVE edge AS (SELECT a.pid AS waiter, b.pid AS blocker, extract(epoch FROM clock_timestamp() - a.state_change)::bigint AS waited \
       FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b(pid) WHERE a.wait_event_type = 'Lock'), \
     chain AS (SELECT blocker AS root, waiter, waited FROM edge WHERE blocker NOT IN (SELECT waiter FROM edge) \
       UNION SELECT c.root, e.waiter, e.waited FROM chain c JOIN edge e ON e.blocker = c.waiter), \
     root AS (SELECT root, count(DISTINCT waiter) AS waiters, max(waited) AS waited FROM chain GROUP BY root) \
     SELECT CASE WHEN r.waited >= {c} OR r.waiters >= 10 THEN 'critical' WHEN r.waited >= {w} THEN 'warning' END, \
       CASE WHEN r.root = 0 THEN 'prepared transaction' ELSE 'pid ' || r.root END, \
       'blocks ' || r.waiters || ' sessions, the longest for ' || r.waited || ' s' || coalesce('; it is ' || state || ': ' || {query}, ''), \
       CASE WHEN r.root <> 0 THEN 'rylie doctor terminate ' || r.root ELSE 'end the prepared transaction; see activity.prepared-transactions' END, 'none; its transaction is rolled back' \
     FROM root r LEFT JOIN pg_stat_activity a ON a.pid = r.root";

pub(super) const BLOCKING: CheckSpec =
    postgres("activity.blocking", "A session holds a lock that others wait for, directly or in a chain.", BLOCKING_SQL)
        .limits(5.0, 60.0, "seconds")
        .needs(&[Need::Statistics])
        .fix("rylie doctor terminate PID", "none; its transaction is rolled back");

pub(super) const LOCK_WAITS: CheckSpec = postgres(
    "activity.lock-waits",
    "A session waits for a lock.",
    "SELECT CASE WHEN waited >= {c} THEN 'critical' WHEN waited >= {w} THEN 'warning' END, 'pid ' || pid, \
       'waits for ' || waited || ' s' || coalesce(' on ' || target, '') || ', blocked by ' || coalesce(blockers, 'a prepared transaction'), NULL, NULL \
     FROM (SELECT a.pid, extract(epoch FROM clock_timestamp() - a.state_change)::bigint AS waited, \
         (SELECT string_agg('pid ' || b, ', ') FROM unnest(pg_blocking_pids(a.pid)) b WHERE b <> 0) AS blockers, \
         (SELECT l.mode || coalesce(' of ' || l.relation::regclass::text, '') FROM pg_locks l WHERE l.pid = a.pid AND NOT l.granted LIMIT 1) AS target \
       FROM pg_stat_activity a WHERE a.wait_event_type = 'Lock') w",
)
.limits(5.0, 60.0, "seconds")
.needs(&[Need::Statistics])
.fix("end the blocker: see activity.blocking", "none");

pub(super) const DEADLOCKS: CheckSpec = postgres(
    "activity.deadlocks",
    "Transactions lock rows in different orders, and the server ends one of each pair.",
    "SELECT CASE WHEN deadlocks / days >= {c} THEN 'critical' WHEN deadlocks / days >= {w} THEN 'warning' ELSE 'ok' END, 'database', \
       deadlocks || ' deadlocks in ' || round(days::numeric, 1) || ' days', NULL, NULL \
     FROM (SELECT deadlocks, greatest(extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) / 86400, 1) AS days \
       FROM pg_stat_database WHERE datname = current_database()) d",
)
.limits(1.0, 100.0, "a day")
.fix("find the statements in the server's log, and lock rows in one order", "none");
