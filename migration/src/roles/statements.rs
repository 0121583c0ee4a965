//! The SQL for the logins' rights.

use rylie_driver::{literal, quoted};

use super::Provisioned;
use super::ours::our_roles_list;
use super::secrets::is_secret;
use crate::adopt::{Catalog, Table};

/// The tables that a service reads to verify that the database is its own and migrated.
pub(crate) const RECORDS: [&str; 3] = ["rylie_database", "seaql_migrations", "rylie_migrations"];

/// Returns why row-level security would not apply to the login `$1`.
pub(super) const UNSAFE: &str = "SELECT CASE WHEN rolsuper THEN 'is a superuser' WHEN rolbypassrls THEN 'is exempt from row-level security' \
     WHEN rolcreaterole THEN 'may create roles' WHEN rolreplication THEN 'may replicate the whole server' \
     WHEN r.rolname = session_user THEN 'is who is logged in' \
     WHEN EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
     AND pg_has_role(r.oid, c.relowner, 'MEMBER')) THEN 'owns tables, or may become who does' END \
     FROM pg_roles r WHERE r.rolname = $1";

/// Whether the role `r` may assume roles of the units, as a service's login does, in whichever database.
const SERVES: &str = "EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles u ON u.oid = m.roleid \
     WHERE m.member = r.oid AND u.rolname IN ('rylie_doors', 'rylie_tenant', 'rylie_identity'))";

/// Returns why the login `$1` may not be provisioned: it has rights in another database, where no policy shows that it
/// was provisioned. A provisioned login inherits nothing and has one password, in every database of the server.
pub(super) fn elsewhere() -> String {
    let ours = our_roles_list();
    format!(
        "SELECT 'has rights in the database ' || quote_ident(d.datname) || ' of this server, and could lose them; name a login that no other database uses' \
         FROM pg_roles r JOIN pg_roles g ON g.oid = r.oid OR g.rolname !~ '^pg_' AND g.rolname NOT IN ({ours}) AND pg_has_role(r.oid, g.oid, 'MEMBER') \
         JOIN pg_shdepend s ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = g.oid \
         JOIN pg_database d ON d.oid = s.dbid AND d.datname <> current_database() \
         WHERE r.rolname = $1 AND NOT {SERVES} AND NOT EXISTS (SELECT FROM pg_shdepend p WHERE p.dbid = s.dbid \
         AND p.classid = 'pg_policy'::regclass AND p.refclassid = 'pg_authid'::regclass AND p.refobjid = r.oid) \
         ORDER BY d.datname LIMIT 1"
    )
}

/// Returns why the login `$1` may not become a reader: it could write as a unit.
pub(super) fn serving() -> String {
    format!(
        "SELECT 'may assume roles of the units, and so may write' FROM pg_roles r WHERE r.rolname = $1 AND {SERVES}"
    )
}

/// Rights that `PUBLIC` usually has. They are granted to the login where they were revoked from `PUBLIC`.
pub(super) const TO_ENTER: [(&str, &str); 2] = [
    (
        "SELECT 'yes' FROM pg_roles WHERE rolname = $1 AND has_database_privilege(oid, current_database(), 'CONNECT') \
         OR $1 NOT IN (SELECT rolname FROM pg_roles) AND has_database_privilege('public', current_database(), 'CONNECT')",
        "GRANT CONNECT ON DATABASE $database TO $login",
    ),
    (
        "SELECT 'yes' FROM pg_roles WHERE rolname = $1 AND has_schema_privilege(oid, 'public', 'USAGE') \
         OR $1 NOT IN (SELECT rolname FROM pg_roles) AND has_schema_privilege('public', 'public', 'USAGE')",
        "GRANT USAGE ON SCHEMA public TO $login",
    ),
];

/// Returns the statements that record a login. Its policy marks it in the catalog, where every role may read it: during a
/// coexistence, a login without mark counts as one of the old service. Row-level security is off on the record, so the
/// policy has no other effect.
pub(super) fn register(row: &Provisioned) -> [String; 3] {
    let Provisioned { login, kind, tenant, every_tenant, reason, .. } = row;
    let text = |value: &Option<String>| value.as_deref().map_or("NULL".to_owned(), literal);
    let policy = quoted(&format!("rylie_login_{login}"));
    [
        format!(
            "INSERT INTO rylie_logins (login, kind, tenant, every_tenant, reason) VALUES ({}, '{kind}', {}, {every_tenant}, {}) \
             ON CONFLICT (login) DO UPDATE SET tenant = excluded.tenant, every_tenant = excluded.every_tenant, \
             reason = excluded.reason, provisioned_at = excluded.provisioned_at",
            literal(login),
            text(tenant),
            text(reason)
        ),
        format!("DROP POLICY IF EXISTS {policy} ON rylie_logins"),
        format!("CREATE POLICY {policy} ON rylie_logins FOR SELECT TO {} USING (false)", quoted(login)),
    ]
}

pub(super) fn open_to_app(login: &str) -> Vec<String> {
    vec![format!("GRANT SELECT ON {} TO {}", RECORDS.join(", "), quoted(login))]
}

/// Grants tables that the migrating role creates by hand to the platform role. The guide's default rights for the
/// application's login would grant the table to a login to which no policy applies.
pub(super) fn defaults(on: bool) -> Vec<String> {
    let verb = if on { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
    ["SELECT, INSERT, UPDATE, DELETE ON TABLES", "USAGE, SELECT ON SEQUENCES"]
        .map(|rights| {
            format!("ALTER DEFAULT PRIVILEGES IN SCHEMA public {} {rights} {} rylie_platform", verb.0, verb.1)
        })
        .to_vec()
}

/// Revokes every right on our tables and the service's own from a login. The guide's grants for the old service gave it
/// some.
pub(super) fn without_rights(live: &Catalog, own: &Catalog, login: &str) -> Vec<String> {
    let name = quoted(login);
    let tables = RECORDS.into_iter().chain(known(live, own).into_iter().map(|(table, _)| table));
    tables.map(|table| format!("REVOKE ALL ON {} FROM {name}", quoted(table))).collect()
}

/// Returns the statements that revoke the login `$1`'s rights on tables and sequences to come, as far as this role may.
pub(super) const DEFAULTS: &str = "SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %I', pg_get_userbyid(d.defaclrole), \
     CASE d.defaclnamespace WHEN 0 THEN '' ELSE ' IN SCHEMA public' END, CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' ELSE 'SEQUENCES' END, r.rolname) \
     FROM pg_default_acl d, aclexplode(d.defaclacl) e JOIN pg_roles r ON r.oid = e.grantee WHERE r.rolname = $1 AND d.defaclobjtype IN ('r', 'S') \
     AND d.defaclnamespace IN (0, 'public'::regnamespace) AND pg_has_role(current_user, d.defaclrole, 'MEMBER') GROUP BY 1";

/// Revokes every right on our tables and the service's own from a reader.
pub(super) fn without_reader(live: &Catalog, own: &Catalog, login: &str) -> Vec<String> {
    let policy = quoted(&format!("rylie_reader_{login}"));
    let mut changes = without_rights(live, own, login);
    changes.extend(
        known(live, own).iter().map(|(table, _)| format!("DROP POLICY IF EXISTS {policy} ON {}", quoted(table))),
    );
    changes
}

/// Grants columns one by one, so that a later column stays unreadable. The policy is for this login only. Its tenant is
/// a constant, because a session can change its own settings.
pub(super) fn open_to_reader(live: &Catalog, own: &Catalog, row: &Provisioned) -> Vec<String> {
    let name = quoted(&row.login);
    let policy = quoted(&format!("rylie_reader_{}", row.login));
    let mut changes: Vec<String> = vec![format!("GRANT SELECT ON {} TO {name}", RECORDS.join(", "))];
    for (table, current) in known(live, own) {
        let (of_tenants, protected) = (current.columns.contains_key("tenantId"), is_protected(live, table));
        let readable = if of_tenants { protected } else { row.every_tenant && table != "rylie_logins" };
        let columns = columns(live, table, current);
        if readable && !columns.is_empty() && !RECORDS.contains(&table) {
            changes.push(format!("GRANT SELECT ({}) ON {} TO {name}", columns.join(", "), quoted(table)));
        }
        let condition = match (&row.tenant, row.every_tenant) {
            (_, true) => "true".to_owned(),
            (Some(tenant), false) => format!("\"tenantId\" = {}", literal(tenant)),
            (None, false) => continue,
        };
        if of_tenants && protected {
            let on = quoted(table);
            changes.push(format!("CREATE POLICY {policy} ON {on} FOR SELECT TO {name} USING ({condition})"));
        }
    }
    changes
}

/// Returns our existing tables and the service's own. Other tables are not ours to grant.
fn known<'a>(live: &Catalog, own: &'a Catalog) -> Vec<(&'a str, &'a Table)> {
    static CURRENT: std::sync::LazyLock<Catalog> = std::sync::LazyLock::new(Catalog::current);
    let there = CURRENT.tables.iter().chain(&own.tables).filter(|(name, _)| live.tables.contains_key(*name));
    there.map(|(name, table)| (name.as_str(), table)).collect()
}

fn is_protected(live: &Catalog, table: &str) -> bool {
    live.tables.get(table).is_some_and(|table| table.row_security.is_some())
}

fn columns(live: &Catalog, table: &str, current: &Table) -> Vec<String> {
    let there = |column: &&String| live.tables.get(table).is_some_and(|table| table.columns.contains_key(*column));
    let open = current.columns.keys().filter(there).filter(|column| !is_secret(table, column));
    open.map(|column| quoted(column)).collect()
}
