//! Logins that another database of the server provisioned too. Memberships and the password belong to the server.

use super::login::unit_roles;
use super::{Login, Provisioned};
use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::step::Target;

/// The other databases in which a policy names the login `$1`, as provisioning makes one.
const OTHERS: &str = "SELECT string_agg(DISTINCT quote_ident(d.datname), ', ') FROM pg_shdepend s \
     JOIN pg_database d ON d.oid = s.dbid AND d.datname <> current_database() JOIN pg_roles r ON r.oid = s.refobjid \
     WHERE s.refclassid = 'pg_authid'::regclass AND s.classid = 'pg_policy'::regclass AND r.rolname = $1";

/// Fails if provisioning would change the login's roles or password in a database that provisioned it too. Keeping both
/// is allowed: two databases may share a login of the same kind.
pub(super) async fn refuse_change(connection: &mut Connection, login: &Login, row: &Provisioned) -> Result<()> {
    let others = connection.text(OTHERS, &login.name).await.map_err(Error::doing("looking for the login"))?;
    let Some(others) = others else { return Ok(()) };
    let refused = |what: &str| {
        let reason = format!("is provisioned in {others} of this server too, and {what}");
        Err(Refusal::UnsafeRole { role: login.name.clone(), reason }.into())
    };
    if !unit_roles(connection, row).await?.is_empty() {
        return refused("would change its roles there; name another login");
    }
    match &login.password {
        Some(password) if !connection.admits(&login.name, password.text()).await => {
            refused("would get another password there; keep its password, or name another login")
        }
        _ => Ok(()),
    }
}
