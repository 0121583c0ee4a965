//! Tables, indexes and triggers of the file.

use crate::doctor::check::{CheckSpec, Need, sqlite};

pub(super) const STATISTICS: CheckSpec = sqlite(
    "sqlite.statistics",
    "The planner has no statistics, so it guesses.",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1') OR NOT EXISTS (SELECT 1 FROM \"Request\" LIMIT 1 OFFSET 1000) THEN NULL ELSE 'warning' END, 'file', \
       'there are no statistics', 'rylie maintain analyze', 'the write lock for a moment'",
)
.healthy("the planner has statistics, or the tables are small")
.needs(&[Need::Table("Request")])
.warns()
.fix("rylie maintain analyze", "the write lock for a moment");

pub(super) const TENANT_COLUMN: CheckSpec = sqlite(
    "sqlite.tenant-column",
    "A table holds rows of users or agencies and has no tenant key, so the tenant filter does not cover it.",
    "SELECT 'critical', 'table ' || s.name, 'has the column ' || min(c.name) || ' and no column tenantId', NULL, NULL FROM sqlite_schema s JOIN pragma_table_info(s.name) c \
     WHERE s.type = 'table' AND s.name NOT GLOB 'sqlite_*' AND s.name NOT GLOB 'rylie_*' AND s.name NOT GLOB 'seaql_*' AND s.name NOT GLOB '_prisma*' \
       AND lower(replace(c.name, '_', '')) IN ('userid', 'agencyid', 'requestid', 'taskid', 'tenantid') \
     GROUP BY s.name HAVING sum(c.name = 'tenantId') = 0",
)
.healthy("every table with rows of a tenant has the tenant key")
.fix("rylie migrate new NAME, with the column and its index (CONTRIBUTING.md)", "the write lock for a moment");

pub(super) const TENANT_INDEX: CheckSpec = sqlite(
    "sqlite.tenant-index",
    "No index begins with the tenant key, so each unit reads the rows of every tenant.",
    "SELECT 'warning', 'table ' || s.name, 'has no index that begins with the tenant key', 'CREATE INDEX \"' || s.name || '_tenantId_idx\" ON \"' || s.name || '\" (\"tenantId\")', 'the write lock while it is built' \
     FROM sqlite_schema s WHERE s.type = 'table' AND EXISTS (SELECT 1 FROM pragma_table_info(s.name) c WHERE c.name = 'tenantId') \
       AND NOT EXISTS (SELECT 1 FROM pragma_index_list(s.name) l JOIN pragma_index_info(l.name) i ON i.seqno = 0 AND i.name = 'tenantId')",
)
.healthy("every table has an index that begins with the tenant key")
.warns()
.fix("CREATE INDEX on the tenant key; rylie drift", "the write lock while it is built");

pub(super) const AUDIT_TRIGGERS: CheckSpec = sqlite(
    "sqlite.audit-triggers",
    "A trigger that protects the audit log is missing, so records can be changed.",
    "SELECT 'critical', 'trigger AuditLog_' || t.name, 'is missing', NULL, NULL \
     FROM (SELECT 'no_update' AS name UNION ALL SELECT 'no_delete' UNION ALL SELECT 'no_replace') t \
     WHERE NOT EXISTS (SELECT 1 FROM sqlite_schema s WHERE s.type = 'trigger' AND s.name = 'AuditLog_' || t.name)",
)
.healthy("the triggers of the audit log are in place")
.needs(&[Need::Table("AuditLog")])
.fix("rylie drift, and its statement CREATE TRIGGER", "the write lock for a moment");

pub(super) const NO_PRIMARY_KEY: CheckSpec = sqlite(
    "sqlite.no-primary-key",
    "A table has neither a primary key nor a unique one, so rows cannot be named or repaired.",
    "SELECT 'warning', 'table ' || s.name, 'has no primary or unique key', NULL, NULL FROM sqlite_schema s WHERE s.type = 'table' AND s.name NOT GLOB 'sqlite_*' \
       AND NOT EXISTS (SELECT 1 FROM pragma_table_info(s.name) c WHERE c.pk > 0) \
       AND NOT EXISTS (SELECT 1 FROM pragma_index_list(s.name) l WHERE l.\"unique\" = 1 AND l.partial = 0)",
)
.healthy("every table has a primary key")
.warns()
.fix("rebuild the table with a primary key by a migration", "the write lock while it is rebuilt");
