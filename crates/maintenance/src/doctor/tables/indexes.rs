//! Indexes.

use crate::doctor::check::{CheckSpec, postgres};

pub(super) const INVALID: CheckSpec = postgres(
    "tables.invalid-index",
    "An index is invalid, so it costs writes and serves no reads.",
    "SELECT CASE WHEN i.indisunique THEN 'critical' ELSE 'warning' END, 'index ' || quote_ident(c.relname), \
       'on ' || i.indrelid::regclass || ' is ' || CASE WHEN NOT i.indisready THEN 'not ready' ELSE 'invalid' END, \
       CASE WHEN c.relname ~ '_ccnew\\d*$|_ccold\\d*$' THEN 'DROP INDEX CONCURRENTLY ' || i.indexrelid::regclass \
         WHEN i.indisunique THEN 'remove the rows with equal values, then REINDEX INDEX CONCURRENTLY ' || i.indexrelid::regclass \
         ELSE 'REINDEX INDEX CONCURRENTLY ' || i.indexrelid::regclass END, \
       'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND c.relkind = 'i' \
       AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace) \
       AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)",
)
.fix("REINDEX INDEX CONCURRENTLY that index", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const DUPLICATE: CheckSpec = postgres(
    "tables.duplicate-index",
    "Two indexes are the same, and each write pays for both.",
    "SELECT 'warning', 'index ' || quote_ident(c.relname), 'on ' || i.indrelid::regclass || ' is the same as ' || o.indexrelid::regclass, \
       'DROP INDEX CONCURRENTLY ' || i.indexrelid::regclass, 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_index o ON o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid \
       AND o.indkey::text = i.indkey::text AND o.indclass::text = i.indclass::text AND o.indcollation::text = i.indcollation::text \
       AND o.indoption::text = i.indoption::text AND coalesce(pg_get_expr(o.indexprs, o.indrelid), '') = coalesce(pg_get_expr(i.indexprs, i.indrelid), '') \
       AND coalesce(pg_get_expr(o.indpred, o.indrelid), '') = coalesce(pg_get_expr(i.indpred, i.indrelid), '') \
     JOIN pg_class oc ON oc.oid = o.indexrelid AND oc.relam = c.relam \
     WHERE c.relnamespace = 'public'::regnamespace AND o.indisvalid AND NOT i.indisprimary AND (o.indisunique OR NOT i.indisunique) \
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) \
       AND (o.indisunique > i.indisunique OR (c.relname IN ({own_indexes})) < (oc.relname IN ({own_indexes})) \
         OR ((c.relname IN ({own_indexes})) = (oc.relname IN ({own_indexes})) AND o.indisunique = i.indisunique AND o.indexrelid < i.indexrelid))",
)
.warns()
.fix("DROP INDEX CONCURRENTLY one of them", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const UNUSED: CheckSpec = postgres(
    "tables.unused-index",
    "An index that the migrations do not create was never used, and each write pays for it.",
    "SELECT 'warning', 'index ' || quote_ident(s.indexrelname), 'on ' || s.relid::regclass || ', ' || pg_size_pretty(pg_relation_size(s.indexrelid)) \
         || ', not used since ' || to_char(coalesce(d.stats_reset, pg_postmaster_start_time()), 'YYYY-MM-DD'), \
       'if it is as old as that: DROP INDEX CONCURRENTLY ' || s.indexrelid::regclass, 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_stat_user_indexes s JOIN pg_index i ON i.indexrelid = s.indexrelid JOIN pg_stat_database d ON d.datname = current_database() \
     WHERE s.schemaname = 'public' AND s.idx_scan = 0 AND NOT i.indisunique AND i.indisvalid AND s.indexrelname NOT IN ({own_indexes}) \
       AND coalesce(d.stats_reset, pg_postmaster_start_time()) <= now() - {w} * interval '1 day' AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = s.indexrelid \
         OR k.contype = 'f' AND k.conrelid = s.relid AND i.indkey[0] = ANY (k.conkey))",
)
.limits(7.0, 7.0, "days of statistics")
.warns()
.fix("drop that index by a migration", "SHARE UPDATE EXCLUSIVE with CONCURRENTLY");

pub(super) const FOREIGN_KEYS: CheckSpec = postgres(
    "tables.unindexed-foreign-key",
    "A foreign key has no index, so each deletion of a parent reads the whole table.",
    "SELECT 'warning', 'constraint ' || quote_ident(k.conname), 'on ' || k.conrelid::regclass || ' has no index on ' || columns, \
       'CREATE INDEX CONCURRENTLY ON ' || k.conrelid::regclass || ' (' || columns || ')', 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_constraint k, LATERAL (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY o.n) AS columns FROM unnest(k.conkey) WITH ORDINALITY o(attnum, n) \
       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = o.attnum) c \
     WHERE k.contype = 'f' AND k.conparentid = 0 AND k.connamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_index i \
       WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = ANY (k.conkey) \
       AND (cardinality(k.conkey) = 1 OR i.indkey[0] <> coalesce((SELECT attnum FROM pg_attribute a WHERE a.attrelid = k.conrelid AND a.attname = 'tenantId'), 0) \
         OR i.indkey[1] = ANY (k.conkey)))",
)
.warns()
.fix("CREATE INDEX CONCURRENTLY on its columns", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const SEQUENTIAL: CheckSpec = postgres(
    "tables.sequential-scans",
    "A large table is mostly read from end to end, which an index would avoid.",
    "SELECT CASE WHEN seq_tup_read::float8 >= {c} THEN 'critical' WHEN seq_tup_read::float8 >= {w} THEN 'warning' END, 'table ' || relid::regclass, \
       seq_scan || ' sequential scans read ' || seq_tup_read || ' rows; ' || coalesce(idx_scan, 0) || ' scans used an index', NULL, NULL \
     FROM pg_stat_user_tables WHERE schemaname = 'public' AND n_live_tup > 50000 AND seq_scan > 100 AND seq_scan > coalesce(idx_scan, 0)",
)
.limits(100_000_000.0, 100_000_000_000.0, "rows read")
.warns()
.fix("find the statement with queries.slow, and add an index by a migration", "SHARE UPDATE EXCLUSIVE with CONCURRENTLY");
