//! What of the old service the policies of the coexistence would change: tables that row-level security already
//! protects, and logins that would count as the new service's.

use super::Difference;
use crate::connection::Connection;
use crate::deploy::coexistence::POLICY;
use crate::error::Result;
use crate::migrations::base_tables_list;
use crate::roles::SERVES;

/// Returns the base's tables with row-level security or policies. The policies of the coexistence would add rights to
/// them, and the way back would not restore what was there, so they prevent an adoption. The coexistence's own policy
/// does not: an interrupted way back of an earlier version left it.
pub(super) async fn tables(connection: &mut Connection) -> Result<Vec<Difference>> {
    let base = base_tables_list();
    let sql = format!(
        "SELECT json_build_object('object', format('row security of table %s', c.relname), 'expected', 'off, without policies; run `ALTER TABLE \"' \
         || c.relname || '\" DISABLE ROW LEVEL SECURITY`, drop its policies, and revoke the rights that they limited', \
         'found', CASE WHEN c.relrowsecurity THEN 'on' ELSE 'off' END || coalesce(', with the policies ' || string_agg(p.polname, ', ' ORDER BY p.polname), ''), 'blocking', true)::text \
         FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname <> '{POLICY}' \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ({base}) AND (c.relrowsecurity OR p.oid IS NOT NULL) \
         GROUP BY c.oid, c.relname, c.relrowsecurity ORDER BY c.relname"
    );
    connection.documents(&sql, "looking for row-level security on the tables").await
}

/// Returns the logins with rights on the base's tables that the coexistence would take for logins of the new service, as
/// they are no roles of this database alone. They would see no row, so they prevent an adoption. A right of `PUBLIC` is
/// everybody's and does not make a login one of the old service.
pub(super) async fn logins(connection: &mut Connection) -> Result<Vec<Difference>> {
    let base = base_tables_list();
    let sql = format!(
        "SELECT json_build_object('object', 'login ' || quote_ident(r.rolname), 'blocking', true, 'expected', w.expected, 'found', w.found)::text \
         FROM pg_roles r, LATERAL (\
           SELECT 'another login for the old service of this database' AS expected, \
             'a login without INHERIT that may assume roles of the units, as the service''s login of another database of this server does; it would see no rows' AS found \
           WHERE {SERVES} \
           UNION ALL SELECT 'a login with INHERIT; run `ALTER ROLE ' || quote_ident(r.rolname) || ' INHERIT`', \
             'a login without INHERIT that would create the roles of the units and become a member of them; it would see no rows' \
           WHERE r.rolname = session_user AND r.rolcreaterole AND current_setting('server_version_num')::int >= 160000 \
             AND NOT EXISTS (SELECT FROM pg_roles u WHERE u.rolname = 'rylie_doors')) w \
         WHERE r.rolcanlogin AND NOT r.rolinherit AND NOT r.rolsuper AND NOT r.rolbypassrls \
           AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ({base}) AND (c.relowner = r.oid \
             OR EXISTS (SELECT FROM aclexplode(c.relacl) e WHERE e.grantee = r.oid) \
             OR EXISTS (SELECT FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid AND e.grantee = r.oid))) \
         ORDER BY r.rolname"
    );
    connection.documents(&sql, "looking for logins that the coexistence would shut out").await
}
