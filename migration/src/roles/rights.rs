//! The rights that a login needs to create roles and to give them, and the statement that grants them. PostgreSQL.
//!
//! Up to PostgreSQL 15 `CREATEROLE` is enough. From 16 on a login may give a role only with its `ADMIN` option, which
//! the role's creator has. The roles belong to the server: another database's owner may have created them.

use serde::Deserialize;

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::session::Migrations;
use crate::step::Engine;

/// A missing right of the login.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Lacking {
    /// What the login may not do, as a clause.
    pub(crate) reason: String,
    /// The remedy, as a clause.
    pub(crate) fix: String,
}

/// Finds the first missing right: to create a role, or to give an existing one.
const LACKING: &str = "WITH me AS (SELECT r.*, quote_ident(r.rolname) AS name FROM pg_roles r WHERE r.rolname = session_user), \
     roles AS (SELECT name, r.oid FROM unnest(ARRAY['rylie_doors', 'rylie_sealer', 'rylie_auditor', 'rylie_identity', 'rylie_tenant']) name \
       LEFT JOIN pg_roles r ON r.rolname = name), \
     given AS (SELECT string_agg(roles.name, ', ' ORDER BY roles.name) AS names, \
         coalesce(bool_or(roles.name IN ('rylie_doors', 'rylie_sealer', 'rylie_auditor')), false) AS needed \
       FROM roles, me WHERE roles.oid IS NOT NULL AND NOT pg_has_role(me.oid, roles.oid, 'MEMBER WITH ADMIN OPTION')) \
     SELECT CASE WHEN NOT me.rolcreaterole THEN json_build_object('reason', format('login %s may not create roles', me.name), \
         'fix', format('log in as a superuser, or let one run `ALTER ROLE %s CREATEROLE`%s', me.name, \
           CASE WHEN given.names IS NOT NULL THEN format(' and `GRANT %s TO %s WITH ADMIN OPTION%s`', given.names, me.name, $options) ELSE '' END)) \
       ELSE json_build_object('reason', format('the roles %s exist on this server, and login %s may not give them', given.names, me.name), \
         'fix', format('a superuser, or who may give these roles, runs `GRANT %s TO %s WITH ADMIN OPTION%s`', given.names, me.name, $options)) END::text \
     FROM me, given WHERE NOT me.rolsuper AND (NOT me.rolcreaterole \
       OR current_setting('server_version_num')::int >= 160000 AND given.needed)";

/// The further options of a grant from PostgreSQL 16 on: the login assumes the role, and inherits nothing.
const OPTIONS: &str =
    "CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ', INHERIT FALSE, SET TRUE' ELSE '' END";

/// Returns the right that the login lacks to create the roles of units and to give them to logins; `None` if it has all.
pub(crate) async fn lacking(connection: &mut Connection) -> Result<Option<Lacking>> {
    const DOING: &str = "checking the right to give roles";
    let found = connection.list_postgres(&LACKING.replace("$options", OPTIONS), DOING).await?;
    found.first().map(|found| crate::connection::parsed(found, DOING)).transpose()
}

/// Returns what the login lacks to make a login for backups.
async fn lacking_for_backups(connection: &mut Connection) -> Result<Option<Lacking>> {
    const DOING: &str = "checking the right to make a login for backups";
    let sql = "SELECT CASE WHEN current_setting('server_version_num')::int < 160000 THEN json_build_object( \
           'reason', 'before PostgreSQL 16 only a superuser may give BYPASSRLS', 'fix', 'run the same command as a superuser') \
         ELSE json_build_object('reason', concat_ws(' and ', CASE WHEN NOT rolbypassrls THEN format('login %I has no BYPASSRLS, so it may not give it', rolname) END, \
           CASE WHEN NOT given THEN format('login %I may not give pg_read_all_data', rolname) END), \
         'fix', format('a superuser or the provider''s console runs `%s`', concat_ws('; ', \
           CASE WHEN NOT rolbypassrls THEN format('ALTER ROLE %I BYPASSRLS', rolname) END, \
           CASE WHEN NOT given THEN format('GRANT pg_read_all_data TO %I WITH ADMIN OPTION', rolname) END))) END::text \
         FROM pg_roles r, LATERAL (SELECT pg_has_role(r.oid, 'pg_read_all_data', 'MEMBER WITH ADMIN OPTION') AS given) g \
         WHERE rolname = session_user AND NOT rolsuper AND NOT (current_setting('server_version_num')::int >= 160000 AND rolbypassrls AND given)";
    let found = connection.list_postgres(sql, DOING).await?;
    found.first().map(|found| crate::connection::parsed(found, DOING)).transpose()
}

/// Turns the server's refusal of a right into one that names it, and the statement that gives it.
pub(super) async fn explained(connection: &mut Connection, error: Error, for_backups: bool) -> Error {
    let Error::Database { source, .. } = &error else { return error };
    let Some(report) = source.as_database_error().filter(|report| report.code().as_deref() == Some("42501")) else {
        return error;
    };
    let reason = report.message().to_owned();
    let lacking = match lacking(connection).await {
        Ok(None) if for_backups => lacking_for_backups(connection).await,
        lacking => lacking,
    };
    // The reason of the server counts, even if the rights could not be read.
    let (reason, fix) = match lacking.ok().flatten() {
        Some(lacking) => (format!("{reason}: {}", lacking.reason), lacking.fix),
        None => (reason, "log in as a superuser, or as who may give that right".to_owned()),
    };
    Refusal::MayNotMakeRoles { reason, fix }.into()
}

impl Migrations {
    /// Fails if no service's login is provisioned, and this login may create roles and still could not provision one
    /// ([`Refusal::Unserved`]): after the end of the coexistence neither service would see a row. A login that may not
    /// create roles leaves that to another. Reads only; PostgreSQL.
    pub async fn refuse_unserved(&mut self) -> Result<()> {
        let connection = &mut self.connection;
        if connection.engine() == Engine::Sqlite {
            return Ok(());
        }
        if super::provisioned(connection).await?.iter().any(|login| login.kind == "app") {
            return Ok(());
        }
        let creates = "SELECT 'yes' FROM pg_roles WHERE rolname = session_user AND rolcreaterole";
        if connection.ask(creates, "checking the right to create roles").await?.is_none() {
            return Ok(());
        }
        match lacking(connection).await? {
            Some(Lacking { reason, fix }) => Err(Refusal::Unserved { reason, fix }.into()),
            None => Ok(()),
        }
    }
}
