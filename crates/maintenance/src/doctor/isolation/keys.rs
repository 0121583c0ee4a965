//! The tenant key in tables, indexes and foreign keys.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const TENANT_COLUMN: CheckSpec = postgres(
    "isolation.tenant-column",
    "A table holds rows of users or agencies and has no tenant key, so neither layer isolates it.",
    "SELECT 'critical', 'table ' || c.oid::regclass, 'has ' || why || ' and no column tenantId', NULL, NULL \
     FROM pg_class c, LATERAL (SELECT string_agg(DISTINCT w, ', ') AS why FROM (SELECT 'the column ' || a.attname AS w FROM pg_attribute a \
         WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname ~* '^(user|agency|request|tenant|task)_?id$' \
       UNION ALL SELECT 'a key to ' || k.confrelid::regclass FROM pg_constraint k JOIN {tenant_tables} t ON t.oid = k.confrelid WHERE k.contype = 'f' AND k.conrelid = c.oid) f) f \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.relnamespace = 'public'::regnamespace AND c.relname !~ '^(rylie_|_prisma|seaql_)' AND why IS NOT NULL \
       AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenantId' AND NOT a.attisdropped)",
)
.healthy("every table with rows of a tenant has the tenant key")
.needs(&[Need::Table("User")])
.fix("rylie migrate new NAME, with the column, its policy and its index (CONTRIBUTING.md)", "ACCESS EXCLUSIVE for a moment");

pub(super) const TENANT_NULLABLE: CheckSpec = postgres(
    "isolation.tenant-nullable",
    "A row may have no tenant, and then belongs to no unit.",
    "SELECT 'critical', 'table ' || t.name, 'its column tenantId accepts null', 'ALTER TABLE ' || t.oid::regclass || ' ALTER COLUMN \"tenantId\" SET NOT NULL', \
       'ACCESS EXCLUSIVE while the table is read' FROM {tenant_tables} t WHERE NOT t.tenant_set AND t.relnamespace = 'public'::regnamespace",
)
.healthy("every tenant key is set")
.needs(&[Need::Table("User")])
.fix("ALTER TABLE … ALTER COLUMN \"tenantId\" SET NOT NULL", "ACCESS EXCLUSIVE while the table is read");

/// An invalid index counts here: `tables.invalid-index` finds it.
pub(super) const TENANT_INDEX: CheckSpec = postgres(
    "isolation.tenant-index",
    "No index begins with the tenant key, so each unit reads the rows of every tenant.",
    "SELECT 'warning', 'table ' || t.name, 'has no index that begins with the tenant key', \
       'CREATE INDEX CONCURRENTLY ON ' || t.oid::regclass || ' (\"tenantId\")', 'SHARE UPDATE EXCLUSIVE; readers and writers continue' \
     FROM {tenant_tables} t WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace \
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indkey[0] = t.tenant_column)",
)
.healthy("every table has an index that begins with the tenant key")
.warns()
.needs(&[Need::Table("User")])
.fix("CREATE INDEX CONCURRENTLY on the tenant key", "SHARE UPDATE EXCLUSIVE; readers and writers continue");

/// A key to a user or a request has triggers that check it with the writer's rights (ARCHITECTURE.md, "References
/// across tenants"). Other keys contain the tenant key.
pub(super) const COMPOSITE_KEYS: CheckSpec = postgres(
    "isolation.composite-keys",
    "A foreign key can point into another tenant, because nothing ties it to the tenant key.",
    "SELECT 'critical', 'table ' || t.name, 'its key ' || quote_ident(k.conname) || ' to ' || k.confrelid::regclass || ' does not contain the tenant key', NULL, NULL \
     FROM pg_constraint k JOIN {tenant_tables} t ON t.oid = k.conrelid JOIN {tenant_tables} p ON p.oid = k.confrelid \
     WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT t.tenant_column = ANY (k.conkey) \
       AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND c.conrelid = k.conrelid AND c.confrelid = k.confrelid AND c.conkey @> k.conkey AND t.tenant_column = ANY (c.conkey)) \
       AND NOT EXISTS (SELECT FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1] WHERE g.tgrelid = k.conrelid \
         AND g.tgenabled IN ('O', 'A') AND (f.proname ~ '^rylie_visible_' OR f.proname = 'own_' || lower(t.relname) || '_visible_' || lower(a.attname)) AND g.tgname = 'Parent_' || a.attname || '_visible_insert') \
       AND p.relname <> 'Agency'",
)
.healthy("every foreign key between tenants' tables is tied to the tenant key")
.needs(&[Need::Table("User")])
.fix("rylie drift; for a table of your own, a composite key (CONTRIBUTING.md)", "SHARE ROW EXCLUSIVE for a moment with NOT VALID");
