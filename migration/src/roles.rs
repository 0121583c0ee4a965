//! The logins of the service and of readers. PostgreSQL.

mod backup;
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

pub(crate) use backup::provisioned_for_backups;
pub use check::{CheckStatus, RoleCheck};
pub(crate) use check::{check, exempt};
pub use password::Password;
pub use secrets::SECRET_COLUMNS;
pub(crate) use statements::RECORDS;
use statements::{identifier, open_to_app, open_to_reader, without_reader};

/// Room for the name of a reader's policy, which holds the login.
const LONGEST_NAME: usize = 40;

const RESERVED: [&str; 6] =
    ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_sealer", "rylie_auditor"];

/// A login to make, or to bring in line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Login {
    /// Its name: up to 40 bytes.
    pub name: String,
    /// Its password; `None` leaves it as it is, and a new login without one.
    pub password: Option<Password>,
}

/// Which rows a reader sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Sees {
    /// Those of one tenant. The login cannot change that: the tenant is a constant of its policies.
    Tenant(String),
    /// Those of all tenants, and the tables of none; why goes into the audit log.
    EveryTenant {
        /// Why.
        reason: String,
    },
}

/// What is wanted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Provision {
    /// The service's login: takes the doors' roles, and has no right of its own but to read the record of migrations.
    pub app: Option<Login>,
    /// The service's login takes the roles of tenant and identity units alone. Jobs and administration work by another login.
    pub no_platform: bool,
    /// A login that may seal the audit log, remove old batches and erase persons: takes the doors' roles and `rylie_sealer`. For the
    /// process that seals, and not for the service.
    pub sealer: Option<Login>,
    /// A login that reads, columns with secrets left out.
    pub readonly: Option<Login>,
    /// What the reader sees; `None` leaves it as it is, and a new one without any tenant's row.
    pub sees: Option<Sees>,
    /// A login for backups: reads every row of every table, also of tables to come, past row-level security. Making it takes a
    /// superuser.
    pub backup: Option<Login>,
}

/// A login that was provisioned.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Provisioned {
    /// Its name.
    pub login: String,
    /// `app`, `sealer`, `readonly` or `backup`.
    pub kind: String,
    /// The one tenant whose rows a reader sees.
    pub tenant: Option<String>,
    /// Whether a reader sees every tenant's.
    pub every_tenant: bool,
    /// Why it does.
    pub reason: Option<String>,
    /// Whether a service's login may take the platform's role.
    #[serde(default)]
    pub platform: bool,
}

pub(crate) async fn provision(connection: &mut Connection, wanted: &Provision) -> Result<Vec<Provisioned>> {
    if connection.engine() == Engine::Sqlite {
        return Err(Refusal::NotPostgres.into());
    }
    if wanted.app.is_none() && wanted.sealer.is_none() && wanted.readonly.is_none() && wanted.backup.is_none() {
        return Err(Error::Usage(
            "name a login to provision: an app, a sealer, a reader, or one for backups".to_owned(),
        ));
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
    if let Some(login) = &wanted.backup {
        changes.extend(backup::make(connection, login, &known).await?);
        rows.push(backup::row(&login.name));
    }
    let details = json!({ "roles": rows });
    let outcome = operator::change(connection, &changes, "ROLES_PROVISIONED", "roles", &details).await;
    outcome.map_err(may_not)?;
    for row in rows.iter().filter(|row| row.kind == "app" && !row.platform) {
        refuse_platform(connection, &row.login).await?;
    }
    Ok(rows)
}

/// Those that are on record; none where that is not readable.
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

/// Whether this login may read which logins were provisioned; where nobody was, there is nothing to read.
pub(crate) async fn may_read_provisioned(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT coalesce(has_table_privilege(to_regclass('public.rylie_logins'), 'SELECT'), true)::text";
    let may = connection.value(sql).await.map_err(Error::doing("reading which logins were provisioned"))?;
    Ok(may.as_deref() == Some("true"))
}

/// After a deploy: what is new is opened to those who were provisioned.
pub(crate) async fn renew(connection: &mut Connection, changed: bool) -> Result<()> {
    let rows = if changed { provisioned(connection).await? } else { Vec::new() };
    for row in rows {
        let statements = opened(connection, &row).await?;
        let sql = format!("BEGIN; {}; COMMIT", statements.join("; "));
        let outcome = connection.execute(&sql).await;
        if outcome.is_err() {
            drop(connection.execute("ROLLBACK").await);
        }
        outcome
            .map_err(Error::doing("opening new tables to the provisioned logins; run `rylie roles provision` again"))?;
    }
    Ok(())
}

/// While migrations make tables, which say themselves what each door may, the default rights are off; [`renew`] puts
/// them back.
pub(crate) async fn suspend_defaults(connection: &mut Connection) -> Result<()> {
    if provisioned(connection).await?.iter().any(|login| login.kind != "readonly") {
        for sql in statements::defaults(false) {
            connection.execute(&sql).await.map_err(Error::doing("setting the rights on tables to come aside"))?;
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

/// What a login of this name is already, and must not be.
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

/// The old service may work with it: bound by the walls it would see nothing.
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
            return Err(Error::Usage(
                "to read every tenant's rows takes a reason: it goes into the audit log".to_owned(),
            ));
        }
        Some(Sees::Tenant(tenant)) => Provisioned { tenant: Some(tenant.clone()), ..none() },
        Some(Sees::EveryTenant { reason }) => {
            Provisioned { every_tenant: true, reason: Some(reason.trim().to_owned()), ..none() }
        }
    })
}

/// The statements that make the login, done as who is logged in, and back to the owner.
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
    // A verifier: the server's log never sees the password.
    changes.extend(
        login.password.as_ref().map(|password| format!("ALTER ROLE {name} PASSWORD '{}'", password.verifier())),
    );
    if row.kind != "readonly" {
        changes.extend(doors(connection, row).await?);
    }
    changes.push(format!("SET LOCAL ROLE {owner}"));
    Ok(changes)
}

/// The memberships of a service's login: through `rylie_doors` it may take every door's role; without the platform, those of
/// tenant and identity units alone. It inherits none of them.
async fn doors(connection: &mut Connection, row: &Provisioned) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login's roles");
    let name = identifier(&row.login);
    let later = "SELECT 'yes' WHERE current_setting('server_version_num')::int >= 160000";
    let options = connection.value(later).await.map_err(&failed)?.map_or("", |_| " WITH INHERIT FALSE, SET TRUE");
    let (wanted, gone): (&[&str], &[&str]) = if row.platform {
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

/// A login without the platform may be a member of its role by another way, which is not ours to take.
async fn refuse_platform(connection: &mut Connection, login: &str) -> Result<()> {
    let sql = "SELECT 'yes' FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, 'rylie_platform', 'MEMBER')";
    match connection.text(sql, login).await.map_err(Error::doing("looking for the login's roles"))? {
        Some(_) => {
            let reason = "may take rylie_platform by way of another role, which is to be revoked first".to_owned();
            Err(Refusal::UnsafeRole { role: login.to_owned(), reason }.into())
        }
        None => Ok(()),
    }
}

/// The statements that give a login its rights, and take any other from it.
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

/// `insufficient_privilege`, told by what takes it.
fn may_not(error: Error) -> Error {
    let Error::Database { source, .. } = &error else { return error };
    let code = source.as_database_error().and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some("42501") { Refusal::MayNotMakeRoles.into() } else { error }
}
