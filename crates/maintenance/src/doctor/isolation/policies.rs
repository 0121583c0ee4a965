//! Row-level security and its policies.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const ROW_SECURITY: CheckSpec = postgres(
    "isolation.row-security",
    "Row-level security is off on a table with tenants' rows, so every role with a right on it reads all of them.",
    "SELECT 'critical', 'table ' || t.name, 'has a tenant key, and row-level security is off', 'ALTER TABLE ' || t.oid::regclass || ' ENABLE ROW LEVEL SECURITY', \
       'ACCESS EXCLUSIVE for a moment' FROM {tenant_tables} t WHERE NOT t.relrowsecurity AND NOT t.relispartition",
)
.healthy("row-level security is on for every table with a tenant key")
.needs(&[Need::Table("User")])
.fix("ALTER TABLE … ENABLE ROW LEVEL SECURITY, then `rylie drift`", "ACCESS EXCLUSIVE for a moment");

pub(super) const FORCED: CheckSpec = postgres(
    "isolation.forced",
    "The policies of a table do not apply to its owner.",
    "SELECT CASE WHEN d.state = 'coexistence' THEN 'ok' ELSE 'critical' END, 'table ' || t.name, \
       CASE WHEN d.state = 'coexistence' THEN 'not forced while the old service shares the database' ELSE 'row-level security is not forced' END, \
       'ALTER TABLE ' || t.oid::regclass || ' FORCE ROW LEVEL SECURITY', 'ACCESS EXCLUSIVE for a moment' \
     FROM {tenant_tables} t CROSS JOIN public.rylie_database d WHERE t.relrowsecurity AND NOT t.relforcerowsecurity",
)
.healthy("the policies apply to the table owner too")
.needs(&[Need::Table("rylie_database")])
.fix("ALTER TABLE … FORCE ROW LEVEL SECURITY; in coexistence, `rylie adopt --finish`", "ACCESS EXCLUSIVE for a moment");

pub(super) const POLICY: CheckSpec = postgres(
    "isolation.policy",
    "A table lacks the policy of the tenant role, so row-level security does not tie its rows to the tenant.",
    "SELECT 'critical', 'table ' || t.name, 'has no policy of the tenant role that compares the tenant key and nothing else', \
       'CREATE POLICY rylie_tenant ON ' || t.oid::regclass || ' TO rylie_tenant USING (\"tenantId\" = current_setting(''rylie.tenant'', true)) WITH CHECK (\"tenantId\" = current_setting(''rylie.tenant'', true))', \
       'ACCESS EXCLUSIVE for a moment; drop a policy of that name first' FROM {tenant_tables} t \
     WHERE t.relrowsecurity AND t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND NOT EXISTS (SELECT FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles) \
       WHERE p.polrelid = t.oid AND r.rolname = 'rylie_tenant' AND p.polpermissive AND pg_get_expr(p.polqual, p.polrelid) ~ '^\\(\"tenantId\" = current_setting\\(''rylie\\.tenant''::text, true\\)\\)$')",
)
.healthy("every table with a tenant key has the policy of the tenant role")
.needs(&[Need::Table("User")])
.fix("rylie drift, and its statement CREATE POLICY", "ACCESS EXCLUSIVE for a moment");

pub(super) const PERMISSIVE: CheckSpec = postgres(
    "isolation.extra-policy",
    "A policy lets a role see rows without comparing the tenant key.",
    "SELECT 'critical', 'table ' || t.name, 'its policy ' || quote_ident(p.polname) || ' does not compare the tenant key', 'DROP POLICY ' || quote_ident(p.polname) || ' ON ' || t.oid::regclass, \
       'ACCESS EXCLUSIVE for a moment' \
     FROM pg_policy p JOIN {tenant_tables} t ON t.oid = p.polrelid \
     WHERE p.polpermissive AND coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') !~ '^\\(\"tenantId\" = (current_setting\\(''rylie\\.tenant''::text, true\\)|''([^'']|'''')*''::text)\\)$' \
       AND NOT (p.polname = 'rylie_coexistence' AND pg_get_expr(p.polqual, p.polrelid) ~ '^rylie_[a-z_]+\\([^()]*\\)$|rylie_') \
       AND NOT (p.polname = 'rylie_tenant' AND NOT EXISTS (SELECT FROM pg_policy g WHERE g.polrelid = p.polrelid AND g.polpermissive AND pg_get_expr(g.polqual, g.polrelid) ~ '^\\(\"tenantId\" = current_setting\\(''rylie\\.tenant''::text, true\\)\\)$')) \
       AND NOT (p.polcmd = 'a' AND p.polqual IS NULL) AND NOT (p.polname = 'rylie_audit_keeper' AND pg_get_expr(p.polqual, p.polrelid) ~ 'rylie.audit_keeper') \
       AND EXISTS (SELECT FROM unnest(p.polroles) r(oid) LEFT JOIN pg_roles o ON o.oid = r.oid WHERE r.oid = 0 OR o.rolname !~ '^rylie_(platform|identity|auditor|sealer|usage|reader|readers)$' \
         AND NOT (p.polcmd = 'r' AND p.polname = 'rylie_reader_' || o.rolname))",
)
.healthy("no policy of the tenant role or of PUBLIC leaves the tenant key out")
.needs(&[Need::Table("User")])
.fix("DROP POLICY that policy, unless `rylie roles provision --cross-tenant` created it", "ACCESS EXCLUSIVE for a moment");

pub(super) const WITH_CHECK: CheckSpec = postgres(
    "isolation.with-check",
    "A policy lets the tenant role write rows into another tenant.",
    "SELECT 'critical', 'table ' || t.name, 'its policy ' || quote_ident(p.polname) || ' does not check written rows against the tenant', NULL, NULL \
     FROM pg_policy p JOIN {tenant_tables} t ON t.oid = p.polrelid \
     WHERE p.polpermissive AND p.polcmd IN ('*', 'a', 'w') AND p.polname <> 'rylie_coexistence' \
       AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid), 'true') !~ '\"tenantId\" = current_setting\\(''rylie\\.tenant''::text' \
       AND EXISTS (SELECT FROM unnest(p.polroles) r(oid) LEFT JOIN pg_roles o ON o.oid = r.oid WHERE r.oid = 0 OR o.rolname = 'rylie_tenant')",
)
.healthy("every policy of the tenant role checks written rows")
.needs(&[Need::Table("User")])
.fix("rylie drift, and its statements DROP POLICY and CREATE POLICY", "ACCESS EXCLUSIVE for a moment");

pub(super) const RULES: CheckSpec = postgres(
    "isolation.rules",
    "A rule rewrites statements on a table, past policies and triggers.",
    "SELECT 'critical', 'table ' || c.oid::regclass, 'has the rule ' || quote_ident(r.rulename), 'DROP RULE ' || quote_ident(r.rulename) || ' ON ' || c.oid::regclass, \
       'ACCESS EXCLUSIVE for a moment' \
     FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace",
)
.healthy("no table has a rule")
.fix("DROP RULE that rule", "ACCESS EXCLUSIVE for a moment");
