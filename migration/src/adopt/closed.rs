//! What of the old service the policies of the coexistence would change: tables that row-level security already
//! protects, and logins that the policies of the units bind.

use super::Difference;
use crate::connection::Connection;
use crate::deploy::coexistence::POLICY;
use crate::error::Result;
use crate::migrations::base_tables_list;

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

/// Returns the logins with rights on the base's tables that inherit from a role of the units. The policies of that role
/// bind them already, so the coexistence exempts none of them: they would see no row, and prevent an adoption. A right of
/// `PUBLIC` is everybody's and does not make a login one of the old service.
pub(super) async fn logins(connection: &mut Connection) -> Result<Vec<Difference>> {
    let base = base_tables_list();
    let sql = format!(
        "SELECT json_build_object('object', 'login ' || quote_ident(r.rolname), 'blocking', true, \
         'expected', 'no right of ' || u.roles || '; revoke them, or give the old service another login', \
         'found', 'a login that inherits from ' || u.roles || '; it would see no rows')::text \
         FROM pg_roles r, LATERAL (SELECT string_agg(u.rolname, ', ' ORDER BY u.rolname) AS roles FROM pg_roles u \
           WHERE u.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') AND pg_has_role(r.oid, u.oid, 'USAGE')) u \
         WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolbypassrls AND u.roles IS NOT NULL \
           AND EXISTS (SELECT FROM pg_class c, LATERAL (SELECT e.grantee FROM aclexplode(c.relacl) e \
               UNION ALL SELECT e.grantee FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid) g \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ({base}) AND NOT pg_has_role(r.oid, c.relowner, 'USAGE') AND g.grantee <> 0 \
             AND pg_has_role(r.oid, g.grantee, 'MEMBER')) \
         ORDER BY r.rolname"
    );
    connection.documents(&sql, "looking for logins that the coexistence would shut out").await
}
