//! Statements that create a login and its memberships.

use rylie_driver::quoted;

use super::{Login, Provisioned};
use crate::connection::{Connection, TAKE};
use crate::error::{Error, Result};
use crate::step::Target;

/// Returns the statements that create the login. They run as the session's login and then become the owner again.
pub(super) async fn make(connection: &mut Connection, login: &Login, row: &Provisioned) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login");
    let name = quoted(&login.name);
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
    changes.extend(unit_roles(connection, row).await?);
    changes.push(format!("SET LOCAL ROLE {owner}"));
    Ok(changes)
}

/// Returns the membership changes of a login. Through `rylie_doors` it may assume every unit's role; without the
/// platform, only the tenant and identity roles. A reader of every tenant may assume `rylie_auditor`, which only reads,
/// to verify the audit log. A login inherits none of these roles.
pub(super) async fn unit_roles(connection: &mut Connection, row: &Provisioned) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login's roles");
    let name = quoted(&row.login);
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
    let direct = |unit_role: &str| {
        format!(
            "SELECT 'yes' FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member JOIN pg_roles d ON d.oid = m.roleid \
             WHERE r.rolname = $1 AND d.rolname = '{unit_role}'"
        )
    };
    let mut changes = Vec::new();
    for unit_role in gone {
        if connection.text(&direct(unit_role), &row.login).await.map_err(&failed)?.is_some() {
            changes.push(format!("REVOKE {unit_role} FROM {name}"));
        }
    }
    for unit_role in wanted {
        let taken = format!("{} AND pg_has_role(r.oid, d.oid, {TAKE})", direct(unit_role));
        if connection.text(&taken, &row.login).await.map_err(&failed)?.is_none() {
            changes.push(format!("GRANT {unit_role} TO {name}{options}"));
        }
    }
    Ok(changes)
}
