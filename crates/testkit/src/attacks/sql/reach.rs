//! Rights of the tenant role outside the tables of `public`, and the owners of code that runs on its writes. The
//! catalog is the source, because an object without rows today may have some later.

use super::objects::none;
use crate::attacks::log::Log;
use crate::attacks::raw::Raw;

/// A gap in the isolation, as the catalog shows it.
struct Hole {
    /// The sentence that holds if the gap is absent.
    name: &'static str,
    sql: &'static str,
    why: &'static str,
}

const ANY_RIGHT: &str = "(has_table_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') \
    OR has_any_column_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))";

const HOLES: [Hole; 8] = [
    Hole {
        name: "the tenant's role reaches a partition by a policy of its own only",
        sql: "SELECT $name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $reached AND c.relkind IN ('r', 'p') \
              AND c.relispartition AND $any_right AND $unbound",
        why: "a policy of the partitioned table does not apply to queries on the partition",
    },
    Hole {
        name: "the tenant's role reaches a table of another schema by a policy only",
        sql: "SELECT $name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $reached AND n.nspname <> 'public' \
              AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND $any_right AND $unbound",
        why: "no policy of the standard form binds the tenant's role there",
    },
    Hole {
        name: "the tenant's role has no right on foreign tables",
        sql: "SELECT $name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $reached AND c.relkind = 'f' AND $any_right",
        why: "a foreign table has no policies, and is read with another login's rights",
    },
    Hole {
        // Two functions of the audit log are exempt: one numbers each record, the other notes that it waits for
        // sealing.
        name: "no trigger of a tenant's table works with its owner's rights",
        sql: "SELECT DISTINCT p.proname::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_class c ON c.oid = t.tgrelid \
              JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND NOT t.tgisinternal AND p.prosecdef AND $of_tenants \
              AND NOT coalesce(p.oid = ANY (ARRAY[to_regprocedure('public.rylie_audit_position()'), to_regprocedure('public.rylie_audit_enqueue()')]::oid[]), false)",
        why: "its function runs on a tenant's writes with its owner's rights, and policies may not bind the owner",
    },
    Hole {
        name: "every function that the tenant's role runs is the tables' owner's",
        // The owner of a function can replace it. A function that the role may not call can still run as a trigger.
        sql: "SELECT DISTINCT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || p.proname FROM pg_proc p \
              JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_roles o ON o.oid = p.proowner \
              WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_' AND NOT o.rolsuper \
              AND p.proowner NOT IN (SELECT c.relowner FROM pg_class c WHERE c.oid IN ('public.\"User\"'::regclass, 'public.\"Request\"'::regclass)) \
              AND ($reached AND has_function_privilege('rylie_tenant', p.oid, 'EXECUTE') OR EXISTS ( \
                SELECT FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgfoid = p.oid AND $of_tenants))",
        why: "its owner can replace its code, and does not own the tables",
    },
    Hole {
        name: "the tenant's role owns nothing",
        sql: "SELECT described.identity FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid, \
              LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) described WHERE r.rolname = 'rylie_tenant' AND d.deptype = 'o' \
              AND d.refclassid = 'pg_authid'::regclass AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))",
        why: "an owner bypasses the policies, and can change the object",
    },
    Hole {
        name: "the tenant's role makes nothing in a schema",
        sql: "SELECT n.nspname::text FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege('rylie_tenant', n.oid, 'CREATE') \
              UNION ALL SELECT datname::text FROM pg_database WHERE datname = current_database() AND has_database_privilege('rylie_tenant', oid, 'CREATE')",
        why: "the role can create objects in it, including functions that others then call",
    },
    Hole {
        name: "the tenant's role looks into no schema but public",
        sql: "SELECT n.nspname::text FROM pg_namespace n WHERE n.nspname NOT IN ('public', 'pg_catalog', 'information_schema') \
              AND n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege('rylie_tenant', n.oid, 'USAGE')",
        why: "the role can use everything in it that PUBLIC can use",
    },
];

/// Selects tables whose policies do not bind the tenant role: row-level security is off, or a permissive policy for it
/// differs from the standard form.
const UNBOUND: &str = "(NOT c.relrowsecurity OR EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = n.nspname AND p.tablename = c.relname \
    AND p.permissive = 'PERMISSIVE' AND p.roles && ARRAY['rylie_tenant', 'public']::name[] \
    AND (coalesce(p.qual, '') <> '(\"tenantId\" = current_setting(''rylie.tenant''::text, true))' AND p.cmd <> 'INSERT' \
      OR p.with_check <> '(\"tenantId\" = current_setting(''rylie.tenant''::text, true))')))";

const OF_TENANTS: &str = "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenantId')";

pub(super) async fn attack(raw: &mut Raw, trusted: &[String], log: &mut Log) {
    for Hole { name, sql, why } in HOLES {
        let sql = sql.replace("$any_right", ANY_RIGHT).replace("$unbound", UNBOUND).replace("$of_tenants", OF_TENANTS);
        log.note(name, none(raw, &sql, trusted, why).await);
    }
}
