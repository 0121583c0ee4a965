//! Rights that reach beyond the units.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const PUBLIC_GRANTS: CheckSpec = postgres(
    "isolation.public-grants",
    "Every login of the server has a right on a table.",
    "SELECT 'critical', kind || c.oid::regclass, 'PUBLIC may ' || string_agg(DISTINCT c.right, ', '), 'REVOKE ALL ON ' || CASE kind WHEN 'sequence ' THEN 'SEQUENCE ' ELSE '' END || c.oid::regclass || ' FROM PUBLIC', \
       'ACCESS EXCLUSIVE for a moment' \
     FROM (SELECT c.oid, CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'view ' ELSE 'table ' END AS kind, e.privilege_type AS right \
         FROM pg_class c, aclexplode(c.relacl) e WHERE c.relnamespace = 'public'::regnamespace AND e.grantee = 0 \
           AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') \
       UNION ALL SELECT a.attrelid, 'table ', e.privilege_type || ' of a column' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) e \
         WHERE c.relnamespace = 'public'::regnamespace AND e.grantee = 0) c GROUP BY kind, c.oid",
)
.healthy("PUBLIC has no right on a table, view or sequence")
.fix("REVOKE ALL ON it FROM PUBLIC", "ACCESS EXCLUSIVE for a moment");

/// `roles provision` sets a default for the platform's role alone. Readers get rights on later tables by its record.
pub(super) const DEFAULT_PRIVILEGES: CheckSpec = postgres(
    "isolation.default-privileges",
    "Tables to come will be open to other roles, before they have a policy.",
    "SELECT CASE WHEN e.grantee = 0 THEN 'critical' ELSE 'warning' END, 'default privileges of ' || quote_ident(pg_get_userbyid(d.defaclrole)), \
       CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END || ' gets ' || string_agg(e.privilege_type, ', ') || ' on later ' || k.kind, \
       'ALTER DEFAULT PRIVILEGES FOR ROLE ' || quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' IN SCHEMA ' || quote_ident(n.nspname), '') || ' REVOKE ALL ON ' || upper(k.kind) || ' FROM ' \
         || CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END, 'none; later objects only' \
     FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) e LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace \
       JOIN (VALUES ('r'::\"char\", 'tables'), ('S', 'sequences')) k(type, kind) ON k.type = d.defaclobjtype \
     WHERE e.grantee <> d.defaclrole AND e.grantee <> coalesce((SELECT oid FROM pg_roles WHERE rolname = 'rylie_platform'), 0) AND coalesce(n.nspname, 'public') = 'public' GROUP BY e.grantee, d.defaclrole, n.nspname, k.kind",
)
.healthy("no role gets rights on tables to come")
.fix("ALTER DEFAULT PRIVILEGES … REVOKE ALL; `rylie roles provision` grants what each login needs", "none; later objects only");

pub(super) const SCHEMA_CREATE: CheckSpec = postgres(
    "isolation.schema-create",
    "A role other than the owner may create objects among ours, and so run own code in our statements.",
    "SELECT DISTINCT 'critical', 'schema public', CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END || ' may create objects', \
       'REVOKE CREATE ON SCHEMA public FROM ' || CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END, 'none' \
     FROM pg_namespace n, aclexplode(n.nspacl) e WHERE n.nspname = 'public' AND e.privilege_type = 'CREATE' AND e.grantee <> n.nspowner \
       AND e.grantee <> coalesce((SELECT relowner FROM pg_class WHERE oid = to_regclass('public.\"User\"')), 0)",
)
.healthy("only the owner may create objects in the schema public")
.fix("REVOKE CREATE ON SCHEMA public FROM that role", "none");

pub(super) const PUBLICATIONS: CheckSpec = postgres(
    "isolation.publications",
    "A publication sends tenants' rows to other servers, without policies.",
    "SELECT 'warning', 'publication ' || quote_ident(p.pubname), CASE WHEN p.puballtables THEN 'sends every table' ELSE 'sends ' || string_agg(DISTINCT t.name, ', ') END, \
       'DROP PUBLICATION ' || quote_ident(p.pubname), 'none; its readers stop' \
     FROM pg_publication p JOIN pg_publication_tables u ON u.pubname = p.pubname JOIN {tenant_tables} t ON t.relname = u.tablename GROUP BY p.pubname, p.puballtables",
)
.healthy("no publication sends tenants' rows")
.warns()
.needs(&[Need::Table("User")])
.fix("DROP PUBLICATION it, unless you know its reader", "none; its readers stop");

/// While the old service works on the database, its logins keep the rights to change the audit log, and the log's trigger
/// refuses each use.
pub(super) const AUDIT_RIGHTS: CheckSpec = postgres(
    "isolation.audit-rights",
    "A role may change or remove audit records, or the environment marker.",
    "SELECT CASE WHEN EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'rylie_coexistence') AND bool_and(e.privilege_type IN ('UPDATE', 'DELETE')) THEN 'ok' ELSE 'critical' END, \
       'table ' || c.oid::regclass, CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END || ' may ' || string_agg(e.privilege_type, ', '), \
       'REVOKE ' || string_agg(e.privilege_type, ', ') || ' ON ' || c.oid::regclass || ' FROM ' || CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END, \
       'ACCESS EXCLUSIVE for a moment' \
     FROM pg_class c, aclexplode(c.relacl) e WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ('AuditLog', 'rylie_database') AND e.grantee <> c.relowner \
       AND (e.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER') OR c.relname = 'rylie_database' AND e.privilege_type = 'INSERT') GROUP BY c.oid, e.grantee",
)
.healthy("only the owner may change audit records and the marker")
.fix("REVOKE UPDATE, DELETE, TRUNCATE, TRIGGER ON it FROM that role", "ACCESS EXCLUSIVE for a moment");

pub(super) const SESSION_DEFAULTS: CheckSpec = postgres(
    "isolation.session-defaults",
    "A login or the database starts sessions with a setting that passes policies, triggers or our schema.",
    "SELECT 'critical', CASE WHEN s.setrole = 0 THEN 'database' ELSE 'role ' || quote_ident(pg_get_userbyid(s.setrole)) END, 'sets ' || split_part(c, '=', 1), \
       'ALTER ' || CASE WHEN s.setrole = 0 THEN 'DATABASE ' || quote_ident(current_database()) \
         ELSE 'ROLE ' || quote_ident(pg_get_userbyid(s.setrole)) || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' IN DATABASE ' || quote_ident(current_database()) END END \
         || ' RESET ' || split_part(c, '=', 1), 'none; new sessions only' \
     FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
       AND (c ~ '^(rylie\\.|role=|session_authorization=|session_replication_role=(replica|local))' OR c ~ '^row_security=(off|0|false)' AND s.setrole = 0) \
     UNION ALL SELECT 'warning', CASE WHEN s.setrole = 0 THEN 'database' ELSE 'role ' || quote_ident(pg_get_userbyid(s.setrole)) END, 'looks for tables in another schema than public first', \
       'ALTER ' || CASE WHEN s.setrole = 0 THEN 'DATABASE ' || quote_ident(current_database()) \
         ELSE 'ROLE ' || quote_ident(pg_get_userbyid(s.setrole)) || CASE WHEN s.setdatabase = 0 THEN '' ELSE ' IN DATABASE ' || quote_ident(current_database()) END END \
         || ' RESET search_path', 'none; new sessions only' \
     FROM pg_db_role_setting s, unnest(s.setconfig) c WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) \
       AND replace(c, '\"', '') ~ '^search_path=' AND replace(c, '\"', '') !~ '^search_path=(\\$user, *)?(pg_catalog, *)?public(,|$)' \
       AND (s.setrole = 0 OR EXISTS (SELECT FROM pg_policy p WHERE s.setrole = ANY (p.polroles))) \
     UNION ALL SELECT 'critical', 'role ' || quote_ident(r.rolname), 'may turn off triggers and foreign keys by ' || p.parname, \
       'REVOKE SET, ALTER SYSTEM ON PARAMETER ' || p.parname || ' FROM ' || quote_ident(r.rolname), 'none; from its next statement on' \
     FROM pg_parameter_acl p, aclexplode(p.paracl) e JOIN pg_roles r ON r.oid = e.grantee AND NOT r.rolsuper WHERE p.parname = 'session_replication_role' \
     UNION ALL SELECT 'critical', 'setting ' || name, 'is ' || reset_val || ' for every session of the server', 'ALTER SYSTEM RESET ' || name, 'none; then SELECT pg_reload_conf()' FROM pg_settings \
       WHERE (name = 'session_replication_role' AND reset_val <> 'origin' OR name = 'row_security' AND reset_val = 'off') AND source IN ('configuration file', 'command line', 'environment variable')",
)
.healthy("no session starts with a setting that passes the isolation layers")
.fix("ALTER ROLE … RESET that setting", "none; new sessions only");
