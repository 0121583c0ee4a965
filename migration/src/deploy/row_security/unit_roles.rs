//! Checks that the units' roles can be assumed. From PostgreSQL 16 on, membership alone does not allow it.

use crate::connection::{Connection, TAKE};
use crate::error::{Error, Refusal, Result};
use crate::roles::UNIT_ROLES;
use crate::roles::rights::{self, Lacking};
use crate::session::Migrations;
use crate::step::{Engine, Target};

/// Turns memberships in the units' roles into ones that allow assuming them. Idempotent.
pub(crate) const OPEN: &str = include_str!("unit_roles.sql");

/// Finds whether the login may create the missing roles and memberships, or none is missing. A superuser may. Before
/// PostgreSQL 16, a login that may create roles may. From then on it must be able to create the missing roles, and to
/// assume or grant the others.
const MAY_BUILD: &str = "SELECT 'yes' FROM pg_roles me WHERE me.rolname = session_user AND (me.rolsuper \
     OR current_setting('server_version_num')::int < 160000 AND me.rolcreaterole OR $number = (SELECT count(*) \
     FROM unnest(ARRAY['$doors']) name LEFT JOIN pg_roles door ON door.rolname = name \
     WHERE CASE WHEN door.oid IS NULL THEN me.rolcreaterole ELSE pg_has_role(me.oid, door.oid, $take) \
     OR pg_has_role(me.oid, door.oid, 'MEMBER WITH ADMIN OPTION') END))";

/// Finds members of a unit's role that cannot assume it: the login itself or the table owner.
const CLOSED: &str = "SELECT 'role ' || quote_ident(r.rolname) || ' may not take ' || door.rolname || ': run `GRANT rylie_doors TO ' || quote_ident(r.rolname) \
     || ' WITH INHERIT FALSE, SET TRUE` as a superuser, or as who may give that role' \
     FROM pg_roles r, pg_roles door WHERE door.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors') \
     AND pg_has_role(r.oid, door.oid, 'MEMBER') AND NOT pg_has_role(r.oid, door.oid, $take) AND (r.rolname = session_user OR r.oid IN ( \
     SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ('User', 'Request', 'AuditLog'))) \
     ORDER BY 1 LIMIT 1";

/// Returns whether this login may create what is missing.
pub(crate) async fn may_build(connection: &mut Connection) -> Result<bool> {
    let sql = MAY_BUILD.replace("$take", TAKE).replace("$doors", &UNIT_ROLES.join("', '"));
    let sql = sql.replace("$number", &UNIT_ROLES.len().to_string());
    Ok(connection.ask(&sql, "checking the right to create roles").await?.is_some())
}

/// Grants the memberships if the login may. Fails if a policy would apply to a login or owner that cannot assume its
/// role.
pub(crate) async fn open(migrations: &mut Migrations) -> Result<()> {
    if migrations.engine() == Engine::Sqlite {
        return Ok(());
    }
    let connection = &mut migrations.connection;
    connection
        .execute(OPEN)
        .await
        .map_err(Error::doing("granting the units' roles to the login and the table owner"))?;
    match connection.ask(&CLOSED.replace("$take", TAKE), "checking who may assume the units' roles").await? {
        Some(reason) => {
            // One statement for all roles, instead of one after each refusal.
            let more = rights::lacking(connection).await?;
            let more =
                more.map(|Lacking { fix, .. }| format!("; to provision logins as well: {fix}")).unwrap_or_default();
            Err(Refusal::DoorsClosed { reason: reason + &more }.into())
        }
        None => Ok(()),
    }
}
