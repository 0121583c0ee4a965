//! Whether the doors' roles can be taken, which from PostgreSQL 16 on is more than being their member.

use crate::connection::{Connection, TAKE};
use crate::deploy::Migrations;
use crate::error::{Error, Refusal, Result};
use crate::roles::DOORS;
use crate::step::{Engine, Target};

/// Makes memberships of the doors' roles good for taking them. May be done any number of times.
pub(crate) const OPEN: &str = include_str!("doors.sql");

/// Whether the login may make what is missing of roles and memberships, or nothing is: a superuser; who may make roles, before PostgreSQL 16;
/// from then on who may make the missing ones and give the others away.
const MAY_BUILD: &str = "SELECT 'yes' FROM pg_roles me WHERE me.rolname = session_user AND (me.rolsuper \
     OR current_setting('server_version_num')::int < 160000 AND me.rolcreaterole OR $number = (SELECT count(*) \
     FROM unnest(ARRAY['$doors']) name LEFT JOIN pg_roles door ON door.rolname = name \
     WHERE CASE WHEN door.oid IS NULL THEN me.rolcreaterole ELSE pg_has_role(me.oid, door.oid, $take) \
     OR pg_has_role(me.oid, door.oid, 'MEMBER WITH ADMIN OPTION') END))";

/// Who is a member of a door's role and cannot take it: the login itself or the tables' owner.
const CLOSED: &str = "SELECT 'role ' || quote_ident(r.rolname) || ' may not take ' || door.rolname || ': run `GRANT rylie_doors TO ' || quote_ident(r.rolname) \
     || ' WITH INHERIT FALSE, SET TRUE` as a superuser, or as who may give that role' \
     FROM pg_roles r, pg_roles door WHERE door.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors') \
     AND pg_has_role(r.oid, door.oid, 'MEMBER') AND NOT pg_has_role(r.oid, door.oid, $take) AND (r.rolname = session_user OR r.oid IN ( \
     SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('User', 'Request', 'AuditLog'))) \
     ORDER BY 1 LIMIT 1";

/// Whether something that is missing may be made by this login.
pub(crate) async fn may_build(connection: &mut Connection) -> Result<bool> {
    let sql = MAY_BUILD.replace("$take", TAKE).replace("$doors", &DOORS.join("', '"));
    let sql = sql.replace("$number", &DOORS.len().to_string());
    Ok(connection.ask(&sql, "looking for the right to make roles").await?.is_some())
}

/// Opens them where the login may. Refused where a policy would bind who cannot take the role by which she sees.
pub(crate) async fn open(migrations: &mut Migrations) -> Result<()> {
    if migrations.engine() == Engine::Sqlite {
        return Ok(());
    }
    let connection = &mut migrations.connection;
    connection
        .execute(OPEN)
        .await
        .map_err(Error::doing("giving the doors' roles to the login and the tables' owner"))?;
    match connection.ask(&CLOSED.replace("$take", TAKE), "looking who may take the doors' roles").await? {
        Some(reason) => Err(Refusal::DoorsClosed { reason }.into()),
        None => Ok(()),
    }
}
