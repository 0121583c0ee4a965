//! The logins of the service, the sealer and readers. PostgreSQL.

mod check;
pub(crate) mod grants;
mod password;
mod secrets;
mod statements;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adopt::Catalog;
use crate::connection::{Connection, TAKE};
use crate::deploy::coexistence::{self, LoginRights};
use crate::deploy::walls;
use crate::error::{Error, Refusal, Result};
use crate::operator;
use crate::step::{Engine, Target};

pub use check::{CheckStatus, RoleCheck};
pub(crate) use check::{check, exempt};
pub use password::Password;
pub use secrets::SECRET_COLUMNS;
pub(crate) use statements::RECORDS;
use statements::{identifier, open_to_app, open_to_reader, without_reader};

/// The longest login name: the name of a reader's policy contains it.
const LONGEST_NAME: usize = 40;

const RESERVED: [&str; 6] =
    ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_sealer", "rylie_auditor"];

/// A login to create or to update.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// Its name, up to 40 bytes.
    pub name: String,
    /// Its password. `None` keeps the current one, and creates a new login without a password.
    pub password: Option<Password>,
}

/// The rows that a reader sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sees {
    /// The rows of one tenant. The login cannot change it, because the tenant is a constant in its policies.
    Tenant(String),
    /// The rows of all tenants and the tables without tenant. The audit log records the reason.
    EveryTenant {
        /// The reason.
        reason: String,
    },
}

/// The logins to provision.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Provision {
    /// The service's login. It may assume the units' roles and has no right itself but to read the migration records.
    pub app: Option<Login>,
    /// Whether the service's login may assume the tenant and identity roles only. Jobs and administration then need
    /// another login.
    pub no_platform: bool,
    /// A login that may seal the audit log, remove old batches and erase persons: it may assume the units' roles and
    /// `rylie_sealer`. For the sealing process, not for the service.
    pub sealer: Option<Login>,
    /// A login that reads all columns without secrets.
    pub readonly: Option<Login>,
    /// The rows that the reader sees. `None` keeps the current setting; a new reader then sees no tenant's rows.
    pub sees: Option<Sees>,
}

/// A provisioned login.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Provisioned {
    /// Its name.
    pub login: String,
    /// `app`, `sealer` or `readonly`.
    pub kind: String,
    /// The one tenant whose rows a reader sees.
    pub tenant: Option<String>,
    /// Whether a reader sees the rows of every tenant.
    pub every_tenant: bool,
    /// The reason for that.
    pub reason: Option<String>,
    /// Whether a service's login may assume the platform role.
    #[serde(default)]
    pub platform: bool,
}

pub(crate) async fn provision(connection: &mut Connection, wanted: &Provision) -> Result<Vec<Provisioned>> {
    if connection.engine() == Engine::Sqlite {
        return Err(Refusal::NotPostgres.into());
    }
    if wanted.app.is_none() && wanted.sealer.is_none() && wanted.readonly.is_none() {
        return Err(Error::Usage("name a login to provision: an app, a sealer, or a reader".to_owned()));
    }
    connection.become_owner().await?;
    refuse_unwalled(connection).await?;
    let known = provisioned(connection).await?;
    let mut changes = Vec::new();
    let mut rows = Vec::new();
    for (login, kind) in [(&wanted.app, "app"), (&wanted.sealer, "sealer"), (&wanted.readonly, "readonly")] {
        let Some(login) = login else { continue };
        refuse_unsafe(connection, &login.name).await?;
        refuse_old(connection, &login.name, &known).await?;
        let mut row = row(login, kind, wanted.sees.as_ref(), &known)?;
        row.platform = kind == "sealer" || kind == "app" && !wanted.no_platform;
        changes.extend(make(connection, login, &row).await?);
        changes.extend(opened(connection, &row).await?);
        changes.push(statements::register(&row));
        rows.push(row);
    }
    let details = json!({ "roles": rows });
    let outcome = operator::change(connection, &changes, "ROLES_PROVISIONED", "roles", &details).await;
    outcome.map_err(may_not)?;
    for row in rows.iter().filter(|row| row.kind == "app" && !row.platform) {
        refuse_platform(connection, &row.login).await?;
    }
    Ok(rows)
}

/// Returns the recorded logins; none if the record does not exist.
pub(crate) async fn provisioned(connection: &mut Connection) -> Result<Vec<Provisioned>> {
    let failed = Error::doing("reading which logins were provisioned");
    if connection.engine() == Engine::Sqlite || !connection.has_table("rylie_logins").await.map_err(&failed)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT (to_jsonb(l) || jsonb_build_object('platform', l.kind = 'app' AND EXISTS (SELECT FROM pg_roles p \
         WHERE p.rolname = 'rylie_platform' AND pg_has_role(r.oid, p.oid, 'MEMBER'))))::text \
         FROM rylie_logins l JOIN pg_roles r ON r.rolname = l.login ORDER BY l.login";
    let rows = connection.values(sql).await.map_err(&failed)?;
    rows.iter()
        .map(|row| serde_json::from_str(row).map_err(|error| failed(sqlx::Error::Decode(error.into()))))
        .collect()
}

/// Returns whether this login may read the record of logins, or no record exists.
pub(crate) async fn may_read_provisioned(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT coalesce(has_table_privilege(to_regclass('public.rylie_logins'), 'SELECT'), true)::text";
    let may = connection.value(sql).await.map_err(Error::doing("reading which logins were provisioned"))?;
    Ok(may.as_deref() == Some("true"))
}

/// Grants new objects to the provisioned logins after a deploy.
pub(crate) async fn renew(connection: &mut Connection, changed: bool) -> Result<()> {
    let rows = if changed { provisioned(connection).await? } else { Vec::new() };
    for row in rows {
        let statements = opened(connection, &row).await?;
        let sql = format!("BEGIN; {}; COMMIT", statements.join("; "));
        let outcome = connection.execute(&sql).await;
        if outcome.is_err() {
            drop(connection.execute("ROLLBACK").await);
        }
        outcome.map_err(Error::doing(
            "granting new tables to the provisioned logins; run `rylie roles provision` again",
        ))?;
    }
    Ok(())
}

/// Suspends the default rights while migrations create tables, which grant each unit's role its rights themselves.
/// [`renew`] restores them.
pub(crate) async fn suspend_defaults(connection: &mut Connection) -> Result<()> {
    if provisioned(connection).await?.iter().any(|login| login.kind != "readonly") {
        for sql in statements::defaults(false) {
            connection.execute(&sql).await.map_err(Error::doing("suspending the default rights on new tables"))?;
        }
    }
    Ok(())
}

async fn refuse_unwalled(connection: &mut Connection) -> Result<()> {
    let registered = connection.has_table("rylie_logins").await.map_err(Error::doing("looking for tables"))?;
    let pending = (!registered).then(|| "migrations are pending; run `rylie migrate deploy`".to_owned());
    match walls::missing(connection).await?.or(pending) {
        Some(reason) => Err(Refusal::NoWall { reason }.into()),
        None => Ok(()),
    }
}

/// Fails if the name is invalid, or if the login already has rights that it must not have.
async fn refuse_unsafe(connection: &mut Connection, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
        return Err(Error::Usage(format!("the name of a login has 1 to {LONGEST_NAME} bytes")));
    }
    let refused = |reason: &str| Refusal::UnsafeRole { role: name.to_owned(), reason: reason.to_owned() };
    if RESERVED.contains(&name) || name.starts_with("pg_") {
        return Err(refused("is reserved").into());
    }
    let found = connection.text(statements::UNSAFE, name).await;
    match found.map_err(Error::doing("looking for the login"))? {
        Some(reason) => Err(refused(&reason).into()),
        None => Ok(()),
    }
}

/// Fails if the old service may use this login: under row-level security it would see no rows.
async fn refuse_old(connection: &mut Connection, name: &str, known: &[Provisioned]) -> Result<()> {
    let is_old = |login: &LoginRights| login.login == name && login.via.iter().any(|via| via != "PUBLIC");
    if known.iter().all(|known| known.login != name) && coexistence::losing(connection).await?.iter().any(is_old) {
        let reason =
            "has rights on the tables that the old service works on, and would see none of their rows".to_owned();
        return Err(Refusal::UnsafeRole { role: name.to_owned(), reason }.into());
    }
    Ok(())
}

fn row(login: &Login, kind: &str, sees: Option<&Sees>, known: &[Provisioned]) -> Result<Provisioned> {
    let before = known.iter().find(|known| known.login == login.name);
    if before.is_some_and(|before| before.kind != kind) {
        let reason = format!("is provisioned as {}", before.map_or("another kind", |before| before.kind.as_str()));
        return Err(Refusal::UnsafeRole { role: login.name.clone(), reason }.into());
    }
    let none = || Provisioned {
        login: login.name.clone(),
        kind: kind.to_owned(),
        tenant: None,
        every_tenant: false,
        reason: None,
        platform: false,
    };
    Ok(match sees.filter(|_| kind == "readonly") {
        None => before.cloned().unwrap_or_else(none),
        Some(Sees::Tenant(tenant)) if tenant.trim().is_empty() => {
            return Err(Error::Usage("the tenant's id is empty".to_owned()));
        }
        Some(Sees::EveryTenant { reason }) if reason.trim().is_empty() => {
            return Err(Error::Usage("reading every tenant's rows requires a reason for the audit log".to_owned()));
        }
        Some(Sees::Tenant(tenant)) => Provisioned { tenant: Some(tenant.clone()), ..none() },
        Some(Sees::EveryTenant { reason }) => {
            Provisioned { every_tenant: true, reason: Some(reason.trim().to_owned()), ..none() }
        }
    })
}

/// Returns the statements that create the login. They run as the session's login and then become the owner again.
async fn make(connection: &mut Connection, login: &Login, row: &Provisioned) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login");
    let name = identifier(&login.name);
    let owner = connection.value("SELECT quote_ident(current_user)").await.map_err(&failed)?.unwrap_or_default();
    let exists =
        connection.text("SELECT 'yes' FROM pg_roles WHERE rolname = $1", &login.name).await.map_err(&failed)?;
    let mut changes = vec!["SET LOCAL ROLE NONE".to_owned()];
    if exists.is_none() {
        changes.push(format!("CREATE ROLE {name} LOGIN NOINHERIT"));
    } else {
        changes.push(format!("ALTER ROLE {name} LOGIN NOINHERIT"));
    }
    // A SCRAM verifier keeps the password out of the server's log.
    changes.extend(
        login.password.as_ref().map(|password| format!("ALTER ROLE {name} PASSWORD '{}'", password.verifier())),
    );
    changes.extend(doors(connection, row).await?);
    changes.push(format!("SET LOCAL ROLE {owner}"));
    Ok(changes)
}

/// Returns the membership changes of a login. Through `rylie_doors` it may assume every unit's role; without the
/// platform, only the tenant and identity roles. A reader of every tenant may assume `rylie_auditor`, which only reads,
/// to verify the audit log. A login inherits none of these roles.
async fn doors(connection: &mut Connection, row: &Provisioned) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login's roles");
    let name = identifier(&row.login);
    let later = "SELECT 'yes' WHERE current_setting('server_version_num')::int >= 160000";
    let options = connection.value(later).await.map_err(&failed)?.map_or("", |_| " WITH INHERIT FALSE, SET TRUE");
    let (wanted, gone): (&[&str], &[&str]) = if row.kind == "readonly" {
        let auditor = "SELECT 'yes' FROM pg_roles WHERE rolname = 'rylie_auditor'";
        match connection.value(auditor).await.map_err(&failed)? {
            Some(_) if row.every_tenant => (&["rylie_auditor"], &[]),
            _ => (&[], &["rylie_auditor"]),
        }
    } else if row.platform {
        let wanted: &[&str] = if row.kind == "sealer" { &["rylie_doors", "rylie_sealer"] } else { &["rylie_doors"] };
        (wanted, &["rylie_tenant", "rylie_identity"])
    } else {
        (&["rylie_tenant", "rylie_identity"], &["rylie_doors", "rylie_platform"])
    };
    let mut changes = Vec::new();
    for door in gone {
        let direct = format!(
            "SELECT 'yes' FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles d ON d.oid = m.roleid \
             WHERE r.rolname = $1 AND d.rolname = '{door}'"
        );
        if connection.text(&direct, &row.login).await.map_err(&failed)?.is_some() {
            changes.push(format!("REVOKE {door} FROM {name}"));
        }
    }
    for door in wanted {
        let direct = format!(
            "SELECT 'yes' FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles d ON d.oid = m.roleid \
             WHERE r.rolname = $1 AND d.rolname = '{door}' AND pg_has_role(r.oid, d.oid, {TAKE})"
        );
        if connection.text(&direct, &row.login).await.map_err(&failed)?.is_none() {
            changes.push(format!("GRANT {door} TO {name}{options}"));
        }
    }
    Ok(changes)
}

/// Fails if a login without the platform is a member of the platform role by another way, which this function must not
/// revoke.
async fn refuse_platform(connection: &mut Connection, login: &str) -> Result<()> {
    let sql = "SELECT 'yes' FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, 'rylie_platform', 'MEMBER')";
    match connection.text(sql, login).await.map_err(Error::doing("looking for the login's roles"))? {
        Some(_) => {
            let reason = "may assume rylie_platform through another role; revoke that membership first".to_owned();
            Err(Refusal::UnsafeRole { role: login.to_owned(), reason }.into())
        }
        None => Ok(()),
    }
}

/// Returns the statements that grant a login its rights and revoke all others.
async fn opened(connection: &mut Connection, row: &Provisioned) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login's rights");
    let mut changes = Vec::new();
    for (sql, grant) in statements::TO_ENTER {
        if connection.text(sql, &row.login).await.map_err(&failed)?.is_none() {
            let database = connection.value("SELECT quote_ident(current_database())").await.map_err(&failed)?;
            let grant = grant.replace("$database", &database.unwrap_or_default());
            changes.push(grant.replace("$login", &identifier(&row.login)));
        }
    }
    let live = Catalog::read(connection).await?;
    if row.kind == "readonly" {
        changes.extend(without_reader(&live, &row.login));
        changes.extend(open_to_reader(&live, row));
    } else {
        changes.extend(open_to_app(&row.login));
        changes.extend(statements::defaults(true));
    }
    Ok(changes)
}

/// Turns `insufficient_privilege` into an error that names the required right.
fn may_not(error: Error) -> Error {
    let Error::Database { source, .. } = &error else { return error };
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some("42501") { Refusal::MayNotMakeRoles.into() } else { error }
}
