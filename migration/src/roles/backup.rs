//! The login for backups.
//!
//! It belongs to the server and is in no table of ours. It is known by its attributes and by its right to connect to the
//! database, so a restored database needs no record of it.

use rylie_driver::quoted;

use super::{Login, Provisioned, check_name};
use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::step::{Engine, Target};

/// Logins that read every row of every table of this database, and are no superusers.
const BACKUPS: &str = "SELECT rolname::text FROM pg_roles r WHERE rolcanlogin AND rolbypassrls AND NOT rolsuper \
     AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') AND EXISTS (SELECT FROM pg_database d, aclexplode(d.datacl) a \
     WHERE d.datname = current_database() AND a.grantee = r.oid) \
     AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('public.\"User\"') AND c.relowner = r.oid) ORDER BY 1";

/// Why the login `$1` may do more than read.
const UNSAFE: &str = "SELECT CASE WHEN rolsuper THEN 'is a superuser' WHEN rolcreaterole THEN 'may create roles' \
     WHEN rolreplication THEN 'may replicate the whole server' WHEN rolname = session_user THEN 'is who is logged in' \
     WHEN EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
     AND pg_has_role(r.oid, c.relowner, 'MEMBER')) THEN 'owns tables, or may become who does' END \
     FROM pg_roles r WHERE rolname = $1";

/// The statements that create the login, or that bring it in line.
pub(super) async fn make(connection: &mut Connection, login: &Login, known: &[Provisioned]) -> Result<Vec<String>> {
    let failed = Error::doing("looking for the login of backups");
    let Login { name, password } = login;
    let refused = |reason: &str| Refusal::UnsafeRole { role: name.clone(), reason: reason.to_owned() };
    check_name(name)?;
    if let Some(known) = known.iter().find(|known| known.login == *name) {
        return Err(refused(&format!("is provisioned as {}", known.kind)).into());
    }
    if let Some(reason) = connection.text(UNSAFE, name).await.map_err(&failed)? {
        return Err(refused(&reason).into());
    }
    let there = connection.text("SELECT 'yes' FROM pg_roles WHERE rolname = $1", name).await.map_err(&failed)?;
    let owner = connection.value("SELECT quote_ident(current_user)").await.map_err(&failed)?.unwrap_or_default();
    let database = connection.value("SELECT quote_ident(current_database())").await.map_err(&failed)?;
    let (quoted, verb) = (quoted(name), if there.is_some() { "ALTER" } else { "CREATE" });
    let mut changes = vec![
        "SET LOCAL ROLE NONE".to_owned(),
        format!("{verb} ROLE {quoted} LOGIN INHERIT BYPASSRLS"),
        format!("GRANT pg_read_all_data TO {quoted}"),
        format!("GRANT CONNECT ON DATABASE {} TO {quoted}", database.unwrap_or_default()),
    ];
    // A verifier: the server's log never shows the password.
    changes.extend(password.as_ref().map(|password| format!("ALTER ROLE {quoted} PASSWORD '{}'", password.verifier())));
    changes.push(format!("SET LOCAL ROLE {owner}"));
    Ok(changes)
}

/// The logins for backups. Reads only.
pub(crate) async fn provisioned_for_backups(connection: &mut Connection) -> Result<Vec<Provisioned>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let names = connection.values(BACKUPS).await.map_err(Error::doing("looking for the logins of backups"))?;
    Ok(names.iter().map(|name| row(name)).collect())
}

pub(super) fn row(name: &str) -> Provisioned {
    Provisioned {
        login: name.to_owned(),
        kind: "backup".to_owned(),
        tenant: None,
        every_tenant: true,
        reason: Some("backups".to_owned()),
        platform: false,
    }
}
