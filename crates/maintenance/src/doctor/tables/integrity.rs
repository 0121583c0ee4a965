//! Keys, constraints and triggers.

use crate::doctor::check::{CheckSpec, postgres};

pub(super) const PRIMARY_KEY: CheckSpec = postgres(
    "tables.no-primary-key",
    "A table has neither a primary key nor a unique one, so rows cannot be named, replicated or repaired.",
    "SELECT 'warning', 'table ' || c.oid::regclass, 'has no primary or unique key', NULL, NULL FROM pg_class c \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace \
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
         AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) k(n) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n WHERE NOT a.attnotnull))",
)
.warns()
.fix("ALTER TABLE … ADD PRIMARY KEY USING INDEX a unique index that was built CONCURRENTLY", "ACCESS EXCLUSIVE for a moment");

pub(super) const NOT_VALIDATED: CheckSpec = postgres(
    "tables.unvalidated-constraint",
    "A constraint was never checked against the rows that existed before it.",
    "SELECT 'warning', 'table ' || k.conrelid::regclass, 'its constraint ' || quote_ident(k.conname) || ' is not validated', \
       'ALTER TABLE ' || k.conrelid::regclass || ' VALIDATE CONSTRAINT ' || quote_ident(k.conname), \
       'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM pg_constraint k WHERE NOT k.convalidated AND k.conrelid <> 0 AND k.contype IN ('c', 'f') AND k.connamespace = 'public'::regnamespace",
)
.warns()
.fix("ALTER TABLE … VALIDATE CONSTRAINT", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

pub(super) const DISABLED_TRIGGER: CheckSpec = postgres(
    "tables.disabled-trigger",
    "A trigger does not fire, so the rule that it keeps is not kept.",
    "SELECT 'critical', 'table ' || t.tgrelid::regclass, CASE WHEN t.tgisinternal THEN 'the triggers of its foreign keys are disabled' \
         ELSE 'the trigger ' || quote_ident(t.tgname) || ' is ' || CASE t.tgenabled WHEN 'D' THEN 'disabled' ELSE 'for replicas only' END END, \
       CASE WHEN t.tgisinternal AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN 'as a superuser: ' ELSE '' END \
         || 'ALTER TABLE ' || t.tgrelid::regclass || ' ENABLE TRIGGER ' || CASE WHEN t.tgisinternal THEN 'ALL' ELSE quote_ident(t.tgname) END, \
       'SHARE ROW EXCLUSIVE for a moment' \
     FROM (SELECT DISTINCT tgrelid, tgisinternal, CASE WHEN tgisinternal THEN '' ELSE tgname END AS tgname, tgenabled FROM pg_trigger \
       WHERE tgenabled IN ('D', 'R')) t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'public'::regnamespace",
)
.fix("ALTER TABLE … ENABLE TRIGGER ALL", "SHARE ROW EXCLUSIVE for a moment");

pub(super) const UNLOGGED: CheckSpec = postgres(
    "tables.unlogged",
    "A table is not in the write-ahead log, so a crash empties it and replicas do not have it.",
    "SELECT 'critical', 'table ' || c.oid::regclass, 'is unlogged', 'ALTER TABLE ' || c.oid::regclass || ' SET LOGGED', \
       'ACCESS EXCLUSIVE while the table is rewritten' \
     FROM pg_class c WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND c.relnamespace = 'public'::regnamespace",
)
.fix("ALTER TABLE … SET LOGGED", "ACCESS EXCLUSIVE while the table is rewritten");
