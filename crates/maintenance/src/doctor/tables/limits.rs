//! Counters that end.

use crate::doctor::check::{CheckSpec, postgres};

pub(super) const WRAPAROUND: CheckSpec = postgres(
    "tables.wraparound",
    "Transaction ids of a database are old, and at two billion the server refuses every write.",
    "SELECT CASE WHEN age(datfrozenxid) >= {c} THEN 'critical' WHEN age(datfrozenxid) >= {w} THEN 'warning' END, 'database ' || quote_ident(datname), \
       'its oldest row is ' || age(datfrozenxid) || ' transactions old; the limit is 2,000 million', NULL, NULL FROM pg_database",
)
.healthy("the oldest row of every database is young enough")
.limits(400_000_000.0, 1_200_000_000.0, "transactions")
.fix("end old transactions (activity.vacuum-held), then `VACUUM (FREEZE)` the oldest tables", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const MULTIXACT: CheckSpec = postgres(
    "tables.multixact-wraparound",
    "Multixact ids of a database are old, and at two billion the server refuses row locks.",
    "SELECT CASE WHEN mxid_age(datminmxid) >= {c} THEN 'critical' WHEN mxid_age(datminmxid) >= {w} THEN 'warning' END, 'database ' || quote_ident(datname), \
       'its oldest multixact is ' || mxid_age(datminmxid) || ' old; the limit is 2,000 million', NULL, NULL FROM pg_database WHERE datallowconn",
)
.healthy("the oldest multixact of every database is young enough")
.limits(500_000_000.0, 1_200_000_000.0, "multixacts")
.fix("end old transactions (activity.vacuum-held), then `VACUUM (FREEZE)` the oldest tables", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const SEQUENCES: CheckSpec = postgres(
    "tables.sequence-end",
    "A sequence is near the end of its type or of its column, and inserts fail at the end.",
    "SELECT CASE WHEN NOT readable THEN 'not-checked' WHEN used >= {c} THEN 'critical' WHEN used >= {w} THEN 'warning' END, 'sequence ' || name, \
       CASE WHEN readable THEN round(used::numeric, 1) || ' percent of ' || most || ' are used' ELSE 'this login lacks the right to read it' END, \
       CASE WHEN is_narrow THEN 'ALTER TABLE ' || owned || ' ALTER COLUMN ' || quote_ident(owned_column) || ' TYPE bigint' \
         ELSE 'ALTER SEQUENCE ' || name || ' AS bigint' END, \
       CASE WHEN is_narrow THEN 'ACCESS EXCLUSIVE while the table is rewritten' ELSE 'SHARE ROW EXCLUSIVE on the sequence' END \
     FROM (SELECT c.oid::regclass::text AS name, has_sequence_privilege(c.oid, 'SELECT') OR has_sequence_privilege(c.oid, 'USAGE') AS readable, most, \
         100.0 * CASE WHEN s.seqincrement > 0 AND (has_sequence_privilege(c.oid, 'SELECT') OR has_sequence_privilege(c.oid, 'USAGE')) \
           THEN coalesce(pg_sequence_last_value(c.oid), 0)::numeric / most ELSE 0 END AS used, o.refobjid::regclass::text AS owned, a.attname AS owned_column, \
         coalesce(a.atttypid IN ('int2'::regtype, 'int4'::regtype), false) AS is_narrow \
       FROM pg_class c JOIN pg_sequence s ON s.seqrelid = c.oid LEFT JOIN pg_depend o ON o.objid = c.oid AND o.classid = 'pg_class'::regclass AND o.deptype IN ('a', 'i') AND o.refobjsubid > 0 \
       LEFT JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid, \
       LATERAL (SELECT least(s.seqmax, CASE a.atttypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 ELSE s.seqmax END) AS most) m \
       WHERE c.relkind = 'S' AND NOT s.seqcycle AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)) t",
)
.healthy("every sequence has room")
.limits(70.0, 90.0, "percent")
.fix("ALTER SEQUENCE … AS bigint, and its column too", "ACCESS EXCLUSIVE while a column is rewritten");
