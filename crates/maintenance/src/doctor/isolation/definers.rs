//! Objects that read with the rights of their owner.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const FUNCTIONS: CheckSpec = postgres(
    "isolation.definer-functions",
    "A function runs with its owner's rights, so a caller may pass the policies.",
    "SELECT 'critical', 'function ' || p.oid::regprocedure, 'is SECURITY DEFINER, belongs to ' || quote_ident(r.rolname) || CASE WHEN r.rolsuper THEN ' (a superuser)' ELSE '' END \
         || ', and no migration creates it', 'ALTER FUNCTION ' || p.oid::regprocedure || ' SECURITY INVOKER', 'none' \
     FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner JOIN pg_namespace n ON n.oid = p.pronamespace \
     WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT (n.nspname = 'public' AND p.proname IN ({own_functions})) \
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')",
)
.healthy("only functions of the migrations run with their owner's rights")
.fix("ALTER FUNCTION … SECURITY INVOKER, or drop it", "none");

pub(super) const SEARCH_PATH: CheckSpec = postgres(
    "isolation.search-path",
    "A function has no fixed search path, so a caller can put own objects before ours.",
    "SELECT CASE WHEN p.prosecdef THEN 'critical' ELSE 'warning' END, 'function ' || p.oid::regprocedure, \
       'its search path is ' || coalesce((SELECT c FROM unnest(p.proconfig) c WHERE c LIKE 'search_path=%'), 'not fixed'), \
       'ALTER FUNCTION ' || p.oid::regprocedure || ' SET search_path = pg_catalog, public, pg_temp', 'none' \
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prokind IN ('f', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
       AND ((n.nspname = 'public' AND p.proname ~ '^rylie_') OR p.prosecdef) \
       AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=pg_catalog(, public)?, pg_temp$') \
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')",
)
.healthy("every function has a fixed search path")
.fix("ALTER FUNCTION … SET search_path = pg_catalog, public, pg_temp", "none");

/// A person reads the object first: a function, a view or a trigger of another role would run its code as the owner.
pub(super) const OWNERS: CheckSpec = postgres(
    "isolation.owners",
    "An object among ours belongs to another role, who can change it.",
    "WITH owner AS (SELECT relowner AS oid FROM pg_class WHERE oid = to_regclass('public.\"User\"')) \
     SELECT 'critical', kind || name, 'belongs to ' || quote_ident(pg_get_userbyid(o.owner)), 'read what it does, for with this it has the rights of the owner; then drop it, or: ALTER ' || upper(kind) || name || ' OWNER TO ' || (SELECT quote_ident(pg_get_userbyid(oid)) FROM owner), \
       'ACCESS EXCLUSIVE for a moment' \
     FROM (SELECT CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'S' THEN 'sequence ' ELSE 'table ' END AS kind, c.oid::regclass::text AS name, c.relowner AS owner \
         FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S') \
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
       UNION ALL SELECT 'function ', p.oid::regprocedure::text, p.proowner FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace \
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')) o \
     WHERE o.owner <> (SELECT oid FROM owner)",
)
.healthy("every object belongs to the owner of the tables")
.needs(&[Need::Table("User")])
.fix("ALTER … OWNER TO the owner of the tables, after a look at the object", "ACCESS EXCLUSIVE for a moment");

/// A view reads with its owner's rights unless `security_invoker` is set; through views on views too.
pub(super) const VIEWS: CheckSpec = postgres(
    "isolation.views",
    "A view reads tenants' tables with its owner's rights, so it passes the policies.",
    "WITH RECURSIVE reads AS (SELECT r.ev_class AS view, d.refobjid AS relation FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
         AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class), \
       deep AS (SELECT view, relation FROM reads UNION SELECT d.view, r.relation FROM deep d JOIN reads r ON r.view = d.relation) \
     SELECT 'critical', 'view ' || v.oid::regclass, 'reads ' || string_agg(DISTINCT t.name, ', ') || ' with the rights of ' || quote_ident(pg_get_userbyid(v.relowner)), \
       'ALTER VIEW ' || v.oid::regclass || ' SET (security_invoker = true)', 'ACCESS EXCLUSIVE on the view for a moment' \
     FROM deep JOIN pg_class v ON v.oid = deep.view AND v.relkind = 'v' JOIN {tenant_tables} t ON t.oid = deep.relation \
     WHERE NOT EXISTS (SELECT FROM unnest(v.reloptions) o WHERE o ~ '^security_invoker=(true|on|yes|1)$') GROUP BY v.oid, v.relowner",
)
.healthy("every view on tenants' tables reads with the rights of its caller")
.needs(&[Need::Table("User")])
.fix("ALTER VIEW … SET (security_invoker = true)", "ACCESS EXCLUSIVE on the view for a moment");

pub(super) const MATERIALIZED_VIEWS: CheckSpec = postgres(
    "isolation.materialized-views",
    "A materialized view is a copy of tenants' rows, and no policy applies to it.",
    "WITH RECURSIVE reads AS (SELECT r.ev_class AS view, d.refobjid AS relation FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
         AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class), \
       deep AS (SELECT view, relation FROM reads UNION SELECT d.view, r.relation FROM deep d JOIN reads r ON r.view = d.relation) \
     SELECT CASE WHEN EXISTS (SELECT FROM aclexplode(v.relacl) e WHERE e.grantee <> v.relowner) THEN 'critical' ELSE 'warning' END, 'materialized view ' || v.oid::regclass, \
       'copies ' || string_agg(DISTINCT t.name, ', ') || CASE WHEN EXISTS (SELECT FROM aclexplode(v.relacl) e WHERE e.grantee <> v.relowner) THEN ', and other roles may read it' ELSE '' END, NULL, NULL \
     FROM deep JOIN pg_class v ON v.oid = deep.view AND v.relkind = 'm' JOIN {tenant_tables} t ON t.oid = deep.relation GROUP BY v.oid, v.relowner, v.relacl",
)
.healthy("no materialized view copies tenants' rows")
.needs(&[Need::Table("User")])
.fix("revoke every right of others on it, or replace it by a table with a policy", "ACCESS EXCLUSIVE on the view for a moment");

pub(super) const PARTITIONS: CheckSpec = postgres(
    "isolation.partitions",
    "A partition or child table has no policy, and a statement that names it passes those of its parent.",
    "SELECT 'critical', 'table ' || c.oid::regclass, 'is a part of ' || i.inhparent::regclass || ', and ' || CASE WHEN c.relrowsecurity THEN 'has no policy' ELSE 'row-level security is off' END, \
       CASE WHEN NOT c.relrowsecurity THEN 'ALTER TABLE ' || c.oid::regclass || ' ENABLE ROW LEVEL SECURITY' END, 'ACCESS EXCLUSIVE for a moment' \
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN {tenant_tables} t ON t.oid = i.inhparent \
     WHERE c.relkind IN ('r', 'p') AND (NOT c.relrowsecurity OR NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))",
)
.healthy("every partition has its policies")
.needs(&[Need::Table("User")])
.fix("enable and force row-level security on it, with the policies of its parent", "ACCESS EXCLUSIVE for a moment");

pub(super) const EVENT_TRIGGERS: CheckSpec = postgres(
    "isolation.event-triggers",
    "An event trigger runs in every migration, with the rights of the migrating login.",
    "SELECT 'warning', 'event trigger ' || quote_ident(evtname), 'calls ' || evtfoid::regprocedure || ' at ' || evtevent || ', and belongs to ' || quote_ident(pg_get_userbyid(evtowner)), \
       'DROP EVENT TRIGGER ' || quote_ident(evtname), 'none' FROM pg_event_trigger WHERE evtenabled <> 'D'",
)
.healthy("there is no event trigger")
.warns()
.fix("DROP EVENT TRIGGER it, unless your provider needs it", "none");
