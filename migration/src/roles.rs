//! The logins of the service, the sealer and readers. PostgreSQL.
//!
//! This file is long because the logins, their inputs and results are one interface.

mod backup;
mod check;
pub(crate) mod grants;
mod login;
pub(crate) mod ours;
mod password;
mod requirements;
pub(crate) mod rights;
mod secrets;
mod shared;
mod statements;
mod withdraw;

use rylie_driver::{literal, quoted};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adopt::Catalog;
use crate::connection::Connection;
use crate::deploy::coexistence::{self, LoginRights};
use crate::deploy::row_security;
use crate::error::{Error, Refusal, Result};
use crate::marker;
use crate::operator;
use crate::session::Migrations;
use crate::step::{Engine, Target};

pub(crate) use backup::provisioned_for_backups;
pub(crate) use check::missing_row_security;
pub use check::{CheckStatus, RoleCheck};
use login::make;
pub(crate) use ours::UNIT_ROLES;
use ours::our_roles;
pub use password::Password;
pub use secrets::SECRET_COLUMNS;
pub(crate) use statements::RECORDS;
use statements::{open_to_app, open_to_reader, without_reader};
pub(crate) use withdraw::withdraw;

/// The longest login name: the name of a reader's policy contains it.
const LONGEST_NAME: usize = 40;

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
    /// A login for backups: reads every row of every table, also of tables to come, past row-level security. Making it takes a
    /// superuser.
    pub backup: Option<Login>,
    /// Whether to refuse a login that would have no password ([`Refusal::NoPassword`](crate::Refusal::NoPassword)): it
    /// could log in by another method only. Whether an existing login has one is visible to superusers; for others it
    /// counts as having one.
    pub require_passwords: bool,
}

/// A provisioned login.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Provisioned {
    /// Its name.
    pub login: String,
    /// `app`, `sealer`, `readonly` or `backup`.
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

impl Migrations {
    /// Creates the logins of a service and of readers, with only the rights that they need. Idempotent, and recorded in
    /// the audit log. PostgreSQL.
    pub async fn provision(&mut self, wanted: &Provision) -> Result<Vec<Provisioned>> {
        let outcome = self.provision_logins(wanted).await;
        self.explained(outcome)
    }

    async fn provision_logins(&mut self, wanted: &Provision) -> Result<Vec<Provisioned>> {
        if self.engine() == Engine::Sqlite {
            return Err(Refusal::NoRoles.into());
        }
        self.refuse_strangers().await?;
        let own = self.own_readable();
        let connection = &mut self.connection;
        if wanted.app.is_none() && wanted.sealer.is_none() && wanted.readonly.is_none() && wanted.backup.is_none() {
            return Err(Error::Usage(
                "name a login to provision: an app, a sealer, a reader, or one for backups".to_owned(),
            ));
        }
        refuse_one_name_for_two(wanted)?;
        connection.become_owner().await?;
        refuse_unprotected(connection).await?;
        let known = provisioned(connection).await?;
        let live = Catalog::read(connection).await?;
        let mut changes = Vec::new();
        let mut rows = Vec::new();
        for (login, kind) in [(&wanted.app, "app"), (&wanted.sealer, "sealer"), (&wanted.readonly, "readonly")] {
            let Some(login) = login else { continue };
            refuse_unsafe(connection, &login.name).await?;
            refuse_by(connection, &login.name, &statements::elsewhere()).await?;
            if kind == "readonly" {
                refuse_by(connection, &login.name, &statements::serving()).await?;
            }
            refuse_old(connection, &login.name, &known).await?;
            let mut row = row(login, kind, wanted.sees.as_ref(), &known)?;
            if let (Some(Sees::Tenant(tenant)), "readonly") = (&wanted.sees, kind) {
                requirements::refuse_unknown_tenant(connection, tenant).await?;
            }
            if wanted.require_passwords {
                requirements::refuse_no_password(connection, login, kind).await?;
            }
            row.platform = kind == "sealer" || kind == "app" && !wanted.no_platform;
            shared::refuse_change(connection, login, &row).await?;
            changes.extend(make(connection, login, &row).await?);
            changes.extend(taken_back(connection, &row, &live, &own).await?);
            changes.extend(opened(connection, &row, &live, &own).await?);
            changes.extend(statements::register(&row));
            rows.push(row);
        }
        if let Some(login) = &wanted.backup {
            if wanted.require_passwords {
                requirements::refuse_no_password(connection, login, "backup").await?;
            }
            changes.extend(backup::make(connection, login, &known).await?);
            rows.push(backup::row(&login.name));
        }
        let details = json!({ "roles": rows });
        let outcome = operator::change(connection, &changes, "ROLES_PROVISIONED", "roles", &details).await;
        if let Err(error) = outcome {
            return Err(rights::explained(connection, error, wanted.backup.is_some()).await);
        }
        for row in rows.iter().filter(|row| row.kind == "app" && !row.platform) {
            requirements::refuse_platform(connection, &row.login).await?;
        }
        Ok(rows)
    }
}

/// Returns the recorded logins; none if the record does not exist.
pub(crate) async fn provisioned(connection: &mut Connection) -> Result<Vec<Provisioned>> {
    const DOING: &str = "reading which logins were provisioned";
    let sqlite = connection.engine() == Engine::Sqlite;
    if sqlite || !connection.has_table("rylie_logins").await.map_err(Error::doing(DOING))? {
        return Ok(Vec::new());
    }
    let sql = "SELECT (to_jsonb(l) || jsonb_build_object('platform', l.kind = 'app' AND EXISTS (SELECT FROM pg_roles p \
         WHERE p.rolname = 'rylie_platform' AND pg_has_role(r.oid, p.oid, 'MEMBER'))))::text \
         FROM rylie_logins l JOIN pg_roles r ON r.rolname = l.login ORDER BY l.login";
    connection.documents(sql, DOING).await
}

/// Returns whether this login may read the record of logins, or no record exists.
pub(crate) async fn may_read_provisioned(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT coalesce(has_table_privilege(to_regclass('public.rylie_logins'), 'SELECT'), true)::text";
    Ok(connection.ask(sql, "reading which logins were provisioned").await?.as_deref() == Some("true"))
}

/// Grants new objects to the provisioned logins after a deploy. `own` has the service's tables that readers may read.
pub(crate) async fn renew(connection: &mut Connection, changed: bool, own: &Catalog) -> Result<()> {
    let rows = if changed { provisioned(connection).await? } else { Vec::new() };
    if rows.is_empty() {
        return Ok(());
    }
    let live = Catalog::read(connection).await?;
    for row in rows {
        let statements = opened(connection, &row, &live, own).await?;
        let sql = format!("BEGIN; {}; COMMIT", statements.join("; "));
        let doing = "granting new tables to the provisioned logins; run `rylie roles provision` again";
        connection.at_once(&sql, doing).await?;
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

async fn refuse_unprotected(connection: &mut Connection) -> Result<()> {
    if marker::read(connection).await?.is_none() {
        return Err(Refusal::NoMark.into());
    }
    let registered = connection.has_table("rylie_logins").await.map_err(Error::doing("looking for tables"))?;
    let pending = (!registered).then(|| "migrations are pending; run `rylie migrate deploy`".to_owned());
    match row_security::missing(connection).await?.or(pending) {
        Some(reason) => Err(Refusal::NoRowSecurity { reason }.into()),
        None => Ok(()),
    }
}

fn refuse_one_name_for_two(wanted: &Provision) -> Result<()> {
    let logins = [&wanted.app, &wanted.sealer, &wanted.readonly, &wanted.backup];
    let names: Vec<&str> = logins.into_iter().flatten().map(|login| login.name.as_str()).collect();
    match names.iter().enumerate().find(|(number, name)| names[..*number].contains(name)) {
        Some((_, name)) => Err(Error::Usage(format!("{name} is named twice; each kind of login has its own name"))),
        None => Ok(()),
    }
}

/// Fails if a login cannot have this name.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\0') {
        return Err(Error::Usage(format!("the name of a login has 1 to {LONGEST_NAME} bytes")));
    }
    if our_roles().chain(["public", "none"]).any(|reserved| reserved == name) || name.starts_with("pg_") {
        return Err(Refusal::UnsafeRole { role: name.to_owned(), reason: "is reserved".to_owned() }.into());
    }
    Ok(())
}

/// Fails if the name is invalid, or if the login already has rights that it must not have.
async fn refuse_unsafe(connection: &mut Connection, name: &str) -> Result<()> {
    check_name(name)?;
    refuse_by(connection, name, statements::UNSAFE).await
}

/// Fails if the query returns a reason.
async fn refuse_by(connection: &mut Connection, name: &str, sql: &str) -> Result<()> {
    let refused = |reason: &str| Refusal::UnsafeRole { role: name.to_owned(), reason: reason.to_owned() };
    let found = connection.text(sql, name).await;
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
    let none = || Provisioned { login: login.name.clone(), kind: kind.to_owned(), ..Provisioned::default() };
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

/// Returns the statements that revoke the rights that the old service's set-up granted to a login. Those of a reader on
/// tables are revoked where it is [`opened`].
async fn taken_back(
    connection: &mut Connection,
    row: &Provisioned,
    live: &Catalog,
    own: &Catalog,
) -> Result<Vec<String>> {
    let mut changes =
        if row.kind == "readonly" { Vec::new() } else { statements::without_rights(live, own, &row.login) };
    let sql = statements::DEFAULTS.replace("$1", &literal(&row.login));
    changes.extend(connection.values(&sql).await.map_err(Error::doing("looking for the login's default rights"))?);
    Ok(changes)
}

/// Returns the statements that grant a login its rights, and that revoke a reader's others.
async fn opened(connection: &mut Connection, row: &Provisioned, live: &Catalog, own: &Catalog) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login's rights");
    let mut changes = Vec::new();
    for (sql, grant) in statements::TO_ENTER {
        if connection.text(sql, &row.login).await.map_err(&failed)?.is_none() {
            let database = connection.value("SELECT quote_ident(current_database())").await.map_err(&failed)?;
            let grant = grant.replace("$database", &database.unwrap_or_default());
            changes.push(grant.replace("$login", &quoted(&row.login)));
        }
    }
    if row.kind == "readonly" {
        changes.extend(without_reader(live, own, &row.login));
        changes.extend(open_to_reader(live, own, row));
    } else {
        changes.extend(open_to_app(&row.login));
        changes.extend(statements::defaults(true));
    }
    Ok(changes)
}
