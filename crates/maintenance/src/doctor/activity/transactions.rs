//! Transactions that stay open.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const IDLE_IN_TRANSACTION: CheckSpec = postgres(
    "activity.idle-in-transaction",
    "A session is idle inside a transaction, and keeps its locks and old row versions.",
    "SELECT CASE WHEN age >= {c} THEN 'critical' WHEN age >= {w} THEN 'warning' END, 'pid ' || pid, \
       quote_ident(usename) || ' (' || coalesce(nullif(application_name, ''), 'unnamed') || ') is idle in a transaction for ' || age || ' s; last: ' || {query}, \
       'rylie doctor terminate ' || pid, 'none; the transaction is rolled back' \
     FROM (SELECT *, extract(epoch FROM clock_timestamp() - state_change)::bigint AS age FROM pg_stat_activity \
       WHERE state LIKE 'idle in transaction%' AND {kind} <> 'backup') a",
)
.limits(30.0, 600.0, "seconds")
.needs(&[Need::Statistics])
.fix("rylie doctor terminate PID", "none; the transaction is rolled back");

pub(super) const VACUUM_HELD: CheckSpec = postgres(
    "activity.vacuum-held",
    "An old transaction prevents vacuum from removing dead rows in every table.",
    "SELECT CASE WHEN age >= {c} THEN 'critical' WHEN age >= {w} THEN 'warning' END, object, \
       'holds back vacuum for ' || age || ' s', fix, 'none; its transaction is rolled back' \
     FROM (SELECT 'pid ' || pid AS object, extract(epoch FROM clock_timestamp() - xact_start)::bigint AS age, 'rylie doctor terminate ' || pid AS fix \
         FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND {kind} = 'client' AND pid <> pg_backend_pid() \
       UNION ALL SELECT 'prepared transaction ' || quote_literal(gid), extract(epoch FROM clock_timestamp() - prepared)::bigint, \
         'ROLLBACK PREPARED ' || quote_literal(gid) FROM pg_prepared_xacts) t",
)
.limits(300.0, 3_600.0, "seconds")
.needs(&[Need::Statistics])
.fix("rylie doctor terminate PID", "none; the transaction is rolled back");

pub(super) const PREPARED: CheckSpec = postgres(
    "activity.prepared-transactions",
    "A prepared transaction was left behind, and keeps its locks across restarts.",
    "SELECT CASE WHEN age >= {c} THEN 'critical' WHEN age >= {w} THEN 'warning' END, 'prepared transaction ' || quote_literal(gid), \
       'prepared ' || age || ' s ago by ' || quote_ident(owner) || ' in ' || quote_ident(database), 'ROLLBACK PREPARED ' || quote_literal(gid), \
       'none; releases its locks' \
     FROM (SELECT *, extract(epoch FROM clock_timestamp() - prepared)::bigint AS age FROM pg_prepared_xacts) p",
)
.limits(5.0, 3_600.0, "seconds")
.fix("ROLLBACK PREPARED 'ID', or COMMIT PREPARED 'ID' if its coordinator committed", "none; releases its locks");
