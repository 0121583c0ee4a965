//! Checks of what a login to provision needs, and of what it must not have.

use super::Login;
use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::step::Target;

/// Fails unless the tenant exists. Row-level security must be in force: the platform role sees every tenant.
pub(super) async fn refuse_unknown_tenant(connection: &mut Connection, tenant: &str) -> Result<()> {
    let known = "SELECT 'yes' FROM \"Agency\" WHERE id = $1 \
         UNION ALL SELECT 'yes' FROM \"User\" WHERE \"agencyId\" IS NULL AND 'user:' || id = $1";
    let failed = Error::doing("looking for the tenant");
    connection.execute("BEGIN; SET LOCAL ROLE rylie_platform; SET LOCAL row_security = on").await.map_err(&failed)?;
    let found = connection.text(known, tenant).await;
    connection.execute("ROLLBACK").await.map_err(&failed)?;
    match found.map_err(failed)? {
        Some(_) => Ok(()),
        None => Err(Refusal::NoSuchTenant { tenant: tenant.to_owned() }.into()),
    }
}

/// Fails if no password is given and none is set. Only a superuser can read whether one is set.
pub(super) async fn refuse_no_password(connection: &mut Connection, login: &Login, kind: &'static str) -> Result<()> {
    if login.password.is_some() {
        return Ok(());
    }
    let failed = Error::doing("looking for the login's password");
    connection.execute("BEGIN; SET LOCAL ROLE NONE").await.map_err(&failed)?;
    let set = has_password(connection, &login.name).await;
    connection.execute("ROLLBACK").await.map_err(&failed)?;
    if set.map_err(failed)? { Ok(()) } else { Err(Refusal::NoPassword { login: login.name.clone(), kind }.into()) }
}

async fn has_password(connection: &mut Connection, login: &str) -> sqlx::Result<bool> {
    let readable = "SELECT 'yes' WHERE has_table_privilege('pg_catalog.pg_authid', 'SELECT')";
    let sql = match connection.value(readable).await? {
        Some(_) => "SELECT 'yes' FROM pg_authid WHERE rolname = $1 AND rolpassword IS NOT NULL",
        None => "SELECT 'yes' FROM pg_roles WHERE rolname = $1",
    };
    Ok(connection.text(sql, login).await?.is_some())
}

/// Fails if a login without the platform is a member of the platform role by another way, which this function must not
/// revoke.
pub(super) async fn refuse_platform(connection: &mut Connection, login: &str) -> Result<()> {
    let sql = "SELECT 'yes' FROM pg_roles WHERE rolname = $1 AND pg_has_role(oid, 'rylie_platform', 'MEMBER')";
    match connection.text(sql, login).await.map_err(Error::doing("looking for the login's roles"))? {
        Some(_) => {
            let reason = "may assume rylie_platform through another role; revoke that membership first".to_owned();
            Err(Refusal::UnsafeRole { role: login.to_owned(), reason }.into())
        }
        None => Ok(()),
    }
}
