//! Checks that the isolation layers apply to a login.

use rylie_driver::literal;
use serde::Serialize;

use super::ours::{PROVISIONED, UNIT_ROLES};
use super::{grants, may_read_provisioned, provisioned, provisioned_for_backups};
use crate::connection::{Connection, TAKE};
use crate::deploy::{coexistence, row_security};
use crate::error::{Error, Result};
use crate::guard;
use crate::marker::{self, State};
use crate::owners;
use crate::session::Migrations;
use crate::step::Engine;

/// The result of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// As expected.
    Ok,
    /// It works, but deviates from the recommendation.
    Warn,
    /// An isolation layer is not effective.
    Fail,
}

/// One check, with its remedy.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RoleCheck {
    /// The check's stable id.
    pub id: &'static str,
    /// The result.
    pub status: CheckStatus,
    /// The finding.
    pub detail: String,
    /// The remedy; empty if nothing needs fixing.
    pub fix: String,
}

/// Each check: id, status of a failure, a query that returns the problems, the text of a success, the remedy.
const CHECKS: [(&str, CheckStatus, &str, &str, &str); 7] = [
    (
        "roles.service",
        CheckStatus::Fail,
        "SELECT session_user || ' ' || what FROM pg_roles r, LATERAL (VALUES (rolsuper, 'is a superuser'), \
         (rolbypassrls, 'is exempt from row-level security'), (rolcreaterole, 'may create roles'), \
         (EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
         AND pg_has_role(r.oid, c.relowner, 'MEMBER')), 'owns tables, or may become who does')) AS v(wrong, what) \
         WHERE r.rolname = session_user AND wrong",
        "the login is neither owner nor superuser, and row-level security applies to it",
        "create a login for the service with `rylie roles provision --app NAME` and connect with it",
    ),
    (
        "roles.units",
        CheckStatus::Warn,
        // From PostgreSQL 16 on a member may lack the right to assume the role, as the role's creator does.
        "SELECT quote_ident(session_user) || ' may not take ' || string_agg(name, ', ' ORDER BY name) \
         FROM unnest(ARRAY['rylie_tenant', 'rylie_identity']) name LEFT JOIN pg_roles r ON r.rolname = name \
         WHERE NOT coalesce(pg_has_role(session_user, r.oid, $take), false) HAVING count(*) > 0",
        "the login may assume the roles of tenant and identity units",
        "`rylie roles provision --app NAME`, if this login is the service's; if it owns the tables or deploys, a superuser runs \
         `GRANT rylie_doors TO` that login, from PostgreSQL 16 on `WITH INHERIT FALSE, SET TRUE`",
    ),
    (
        "roles.sealer",
        CheckStatus::Warn,
        "SELECT session_user || ' may seal, remove and erase audit records' FROM pg_roles WHERE rolname = 'rylie_sealer' \
         AND pg_has_role(session_user, oid, 'MEMBER')",
        "the login may not seal, remove or erase audit records",
        "unless this is the sealer's login, `REVOKE rylie_sealer FROM` it and create a login for the sealer with `rylie roles provision --sealer NAME`",
    ),
    (
        "roles.elsewhere",
        // A role belongs to the whole server, and so do its memberships. A server may well serve several databases of one
        // operator.
        CheckStatus::Warn,
        "SELECT DISTINCT quote_ident(r.rolname) || ' may take ' || quote_ident(u.rolname) || ' here, and is used in database ' || quote_ident(d.datname) \
         FROM pg_roles r JOIN pg_roles u ON u.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') AND pg_has_role(r.oid, u.oid, $take) \
         JOIN pg_shdepend s ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.classid IN ('pg_policy'::regclass, 'pg_class'::regclass) \
         JOIN pg_database d ON d.oid = s.dbid AND d.datname <> current_database() \
         WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, current_database(), 'CONNECT') \
         AND NOT $provisioned \
         AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('public.\"User\"') AND pg_has_role(r.oid, c.relowner, 'MEMBER')) ORDER BY 1",
        "no login of another database may take the roles of units here",
        "REVOKE CONNECT ON DATABASE … FROM PUBLIC and from that login, for this database, and GRANT CONNECT to each of its own logins",
    ),
    (
        "roles.audit_log",
        CheckStatus::Fail,
        "SELECT DISTINCT CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(e.grantee)::text END || ' may ' || e.privilege_type \
         || ' on the audit log' FROM pg_class c, aclexplode(c.relacl) e WHERE c.relnamespace = 'public'::regnamespace \
         AND c.relname = 'AuditLog' AND e.grantee <> c.relowner AND e.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE') ORDER BY 1",
        "only the owner may change the audit log",
        "REVOKE UPDATE, DELETE, TRUNCATE ON \"AuditLog\" FROM that role",
    ),
    (
        "roles.marker",
        CheckStatus::Fail,
        "SELECT DISTINCT CASE WHEN e.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(e.grantee)::text END || ' may ' || e.privilege_type \
         || ' on the production mark' FROM pg_class c, aclexplode(c.relacl) e WHERE c.relnamespace = 'public'::regnamespace \
         AND c.relname = 'rylie_database' AND e.grantee <> c.relowner AND e.privilege_type <> 'SELECT' ORDER BY 1",
        "only the owner may change the environment marker",
        "REVOKE ALL ON rylie_database FROM that role",
    ),
    (
        "roles.public",
        CheckStatus::Fail,
        "SELECT 'everybody may ' || e.privilege_type || ' on ' || c.relname FROM pg_class c, aclexplode(c.relacl) e \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND e.grantee = 0 ORDER BY 1",
        "PUBLIC has no right on any table",
        "REVOKE ALL ON that table FROM PUBLIC",
    ),
];

/// Whether the login reads rows, may write none, and may assume no role of a unit: a reader, or a login for backups.
const ONLY_READS: &str = "SELECT 'yes' WHERE EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace \
     AND c.relkind = 'r' AND has_any_column_privilege(session_user, c.oid, 'SELECT')) \
     AND NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
     AND has_table_privilege(session_user, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) \
     AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname IN ($units) \
     AND pg_has_role(session_user, r.oid, 'MEMBER'))";

fn with_units(sql: &str) -> String {
    sql.replace("$units", &UNIT_ROLES.map(literal).join(", "))
}

/// Returns why row-level security is not in force for this login. A login that only reads opens no units, whose roles would
/// let it write.
pub(crate) async fn missing_row_security(connection: &mut Connection) -> Result<Option<String>> {
    match connection.ask_postgres(&with_units(ONLY_READS), "checking the login's rights").await? {
        Some(_) => row_security::missing_without_units(connection).await,
        None => row_security::missing(connection).await,
    }
}

impl Migrations {
    /// Returns why the isolation layers do not apply to this connection's login; `None` if they do. Reads only.
    pub async fn exempt_login(&mut self) -> Result<Option<String>> {
        self.connection.ask_postgres(CHECKS[0].2, "checking the login").await
    }

    /// Checks that the isolation layers apply to this connection's login, and that no login may change the audit log.
    /// Reads only. SQLite has no roles, so nothing is checked there.
    pub async fn check_roles(&mut self) -> Result<Vec<RoleCheck>> {
        let connection = &mut self.connection;
        if connection.engine() == Engine::Sqlite {
            return Ok(Vec::new());
        }
        if guard::is_prismas(connection).await? {
            guard::refuse_unadopted(connection).await?;
        }
        let mut checks = Vec::new();
        for (id, status, sql, right, fix) in CHECKS {
            let sql = sql.replace("$take", TAKE).replace("$provisioned", PROVISIONED);
            let wrong = connection.values(&sql).await.map_err(Error::doing("checking the roles"))?;
            checks.push(outcome(id, status, &wrong, right, fix));
        }
        allow_old_logins(connection, &mut checks).await?;
        if let Some(service) = checks.first_mut().filter(|service| service.status == CheckStatus::Fail) {
            allow_backups(connection, service).await?;
        }
        checks.push(recorded_kinds(connection).await?);
        checks.push(unexpected_grants(connection).await?);
        checks.push(kept_rights(connection).await?);
        let row_security: Vec<String> = missing_row_security(connection).await?.into_iter().collect();
        let (right, fix) = (
            "row-level security is in force",
            "run `rylie migrate deploy` as a superuser, or an owner who may create roles",
        );
        checks.push(outcome("roles.row_security", CheckStatus::Fail, &row_security, right, fix));
        checks.extend(ownership(connection).await?);
        Ok(checks)
    }
}

/// While the old service works on the database, its logins keep their rights on the audit log, whose trigger refuses each
/// change. That is a warning then.
async fn allow_old_logins(connection: &mut Connection, checks: &mut [RoleCheck]) -> Result<()> {
    let shared = marker::read(connection).await?.is_some_and(|mark| mark.state == State::Coexistence);
    let failed = |check: &&mut RoleCheck| check.id == "roles.audit_log" && check.status == CheckStatus::Fail;
    for check in checks.iter_mut().filter(failed).filter(|_| shared) {
        check.status = CheckStatus::Warn;
        check.detail = format!("{}; its trigger refuses each change", check.detail);
        check.fix = String::from("`rylie adopt --finish`, then revoke what is left");
    }
    Ok(())
}

/// Turns the failure into a warning if the login is one for backups: it reads past row-level security, and may do
/// nothing else.
async fn allow_backups(connection: &mut Connection, service: &mut RoleCheck) -> Result<()> {
    const DOING: &str = "looking for the logins of backups";
    let login = connection.ask("SELECT session_user::text", DOING).await?.unwrap_or_default();
    let backups = provisioned_for_backups(connection).await?;
    let exempt = format!("{login} is exempt from row-level security");
    if service.detail == exempt && backups.iter().any(|backup| backup.login == login) {
        service.status = CheckStatus::Warn;
        service.detail = format!("{exempt}, as a login for backups is");
    }
    Ok(())
}

/// Readers that may take a role of the units, and readers of one tenant that may take the auditor's. A policy shows each.
const READERS: &str = "SELECT DISTINCT quote_ident(r.rolname) || ' reads, and may take ' || quote_ident(u.rolname) FROM pg_policy p \
     JOIN pg_roles r ON r.oid = ANY (p.polroles) JOIN pg_roles u ON pg_has_role(r.oid, u.oid, 'MEMBER') AND (u.rolname IN ($units) \
     OR u.rolname = 'rylie_auditor' AND pg_get_expr(p.polqual, p.polrelid) <> 'true') WHERE p.polname ~ '^rylie_reader_' ORDER BY 1";

/// Logins of a service that may seal.
const SERVICES: &str = "SELECT quote_ident(l.login) || ' serves units, and may take rylie_sealer' FROM rylie_logins l \
     JOIN pg_roles r ON r.rolname = l.login JOIN pg_roles u ON u.rolname = 'rylie_sealer' AND pg_has_role(r.oid, u.oid, 'MEMBER') \
     WHERE l.kind = 'app' ORDER BY 1";

/// Checks that the provisioned logins have the roles of their kind. A membership granted for another database of the
/// server counts here too. Who may not read the record of logins learns about readers only.
async fn recorded_kinds(connection: &mut Connection) -> Result<RoleCheck> {
    const DOING: &str = "comparing the logins with their record";
    let mut wrong = connection.list_postgres(&with_units(READERS), DOING).await?;
    let recorded = connection.has_table("rylie_logins").await.map_err(Error::doing(DOING))?;
    let all = recorded && may_read_provisioned(connection).await?;
    if all {
        wrong.extend(connection.list_postgres(SERVICES, DOING).await?);
    }
    let right = if all {
        "each provisioned login has the roles of its kind"
    } else {
        "no reader may take a role of the units; the owner's check covers the other logins"
    };
    let fix = "REVOKE that role FROM that login, or provision the login of the other database under another name";
    Ok(outcome("roles.recorded", CheckStatus::Fail, &wrong, right, fix))
}

async fn unexpected_grants(connection: &mut Connection) -> Result<RoleCheck> {
    let unexpected = grants::unexpected(connection).await?;
    let wrong: Vec<String> = unexpected.iter().map(grants::Unexpected::in_words).collect();
    let (right, fix) = (
        "no role has a right on our tables that the migrations do not grant",
        "run `rylie migrate deploy`; `rylie drift` shows the statements",
    );
    Ok(outcome("roles.grants", CheckStatus::Fail, &wrong, right, fix))
}

/// Checks that no login keeps rights past row-level security from before the end of the adoption.
async fn kept_rights(connection: &mut Connection) -> Result<RoleCheck> {
    let fresh = marker::read(connection).await?.is_some_and(|mark| mark.state == State::Fresh);
    let logins = if fresh { coexistence::logins(connection).await? } else { Vec::new() };
    // The rights of a provisioned login are its own, and those who assume it have them by that.
    let known = if may_read_provisioned(connection).await? { provisioned(connection).await? } else { Vec::new() };
    let of_known = |fix: &str| {
        let who = fix.rsplit_once(" FROM ").map(|(_, who)| who.trim_matches('"').replace("\"\"", "\""));
        who.is_some_and(|who| known.iter().any(|known| known.login == who))
    };
    let (mut wrong, mut fixes) = (Vec::new(), Vec::new());
    for login in &logins {
        let kept: Vec<&str> =
            login.keeps_after_finish.iter().map(String::as_str).filter(|fix| !of_known(fix)).collect();
        if !kept.is_empty() {
            wrong.push(format!("login {} has rights on tables past row-level security", login.login));
        }
        fixes.extend(kept);
    }
    fixes.sort_unstable();
    fixes.dedup();
    let right = "no login has rights from before the adoption that row-level security does not cover";
    Ok(outcome("roles.old_rights", CheckStatus::Warn, &wrong, right, &fixes.join("; ")))
}

/// Checks that no other role's code or tables can replace ours.
async fn ownership(connection: &mut Connection) -> Result<[RoleCheck; 3]> {
    let strangers = owners::strangers(connection).await?;
    let fixes: Vec<&str> = strangers.iter().map(|stranger| stranger.fix.as_str()).collect();
    let wrong: Vec<String> =
        strangers.iter().map(|stranger| format!("{} {}", stranger.object, stranger.reason)).collect();
    let fix = format!("inspect each object, then drop or fix it: {}", fixes.join("; "));
    let right = "all our objects belong to the table owner";
    let owned = outcome("roles.owners", CheckStatus::Fail, &wrong, right, &fix);
    let floating: Vec<String> = owners::unfixed(connection).await?;
    let right = "all our functions have a fixed search path";
    let fix = "ALTER FUNCTION that function SET search_path = pg_catalog, public, pg_temp";
    let path = outcome("roles.search_path", CheckStatus::Fail, &floating, right, fix);
    let creators = owners::creators(connection).await?;
    let wrong: Vec<String> = creators.iter().map(|who| format!("{who} may create objects in schema public")).collect();
    let right = "only the table owner may create objects in schema public";
    let fix = format!("REVOKE CREATE ON SCHEMA public FROM {}", creators.join(", "));
    Ok([owned, path, outcome("roles.create", CheckStatus::Fail, &wrong, right, &fix)])
}

fn outcome(id: &'static str, status: CheckStatus, wrong: &[String], right: &str, fix: &str) -> RoleCheck {
    if wrong.is_empty() {
        return RoleCheck { id, status: CheckStatus::Ok, detail: right.to_owned(), fix: String::new() };
    }
    RoleCheck { id, status, detail: wrong.join("; "), fix: fix.to_owned() }
}
