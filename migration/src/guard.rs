//! What is asked before something is changed.

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::mark::{self, Environment};
use crate::migrations::{BASE, BASE_TABLES, MIGRATIONS};
use crate::record;
use crate::step::{Engine, Target};

/// `deploy` makes the base, or adds to a base that is recorded; what somebody else made is for `adopt`.
pub(crate) async fn refuse_unadopted(connection: &mut Connection) -> Result<()> {
    // The record is read after the table is seen: whoever makes both makes them in one transaction.
    let failed = Error::doing("looking for tables");
    let Some(other) = first_table(connection).await? else { return Ok(()) };
    for table in BASE_TABLES {
        if connection.has_table(table).await.map_err(&failed)? {
            let ours = record::applied(connection).await?.iter().any(|name| name == BASE.name());
            return if ours { Ok(()) } else { Err(Refusal::NotAdopted { table: table.to_owned() }.into()) };
        }
    }
    Err(Refusal::NotEmpty { table: other }.into())
}

/// Taking back loses data.
pub(crate) async fn refuse_production(connection: &mut Connection) -> Result<()> {
    match mark::read(connection).await? {
        Some(mark) if mark.environment == Environment::Production => Err(Refusal::Production.into()),
        _ => Ok(()),
    }
}

/// A reset is for an empty database, or for one with our mark.
pub(crate) async fn refuse_foreign(connection: &mut Connection) -> Result<()> {
    if mark::read(connection).await?.is_some() || is_empty(connection).await? {
        return Ok(());
    }
    Err(Refusal::NotOurs.into())
}

/// What a later version added depends on what we would take away.
pub(crate) async fn refuse_newer(connection: &mut Connection) -> Result<()> {
    let applied = record::applied(connection).await?;
    match applied.into_iter().find(|name| MIGRATIONS.iter().all(|migration| migration.name() != name)) {
        Some(migration) => Err(Refusal::Newer { migration }.into()),
        None => Ok(()),
    }
}

/// Whether there is no table at all, but those of extensions and SeaORM's own.
pub(crate) async fn is_empty(connection: &mut Connection) -> Result<bool> {
    Ok(first_table(connection).await?.is_none())
}

async fn first_table(connection: &mut Connection) -> Result<Option<String>> {
    let sql = match connection.engine() {
        Engine::Postgres => {
            "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
             AND c.relname <> 'seaql_migrations' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1 LIMIT 1"
        }
        Engine::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'seaql_migrations' \
             ORDER BY 1 LIMIT 1"
        }
    };
    connection.value(sql).await.map_err(Error::doing("looking for tables"))
}

/// Works as the owner of the base's tables, where we may and are not: what we make should be hers too, so that she can
/// alter it later. A no-op on SQLite, on an empty database and where the tables have several owners.
pub(crate) async fn become_owner(connection: &mut Connection) -> Result<()> {
    if connection.engine() == Engine::Sqlite {
        return Ok(());
    }
    let failed = Error::doing("finding out who owns the tables");
    let sql = format!(
        "SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.rolname <> current_user AND pg_has_role(current_user, r.oid, 'MEMBER') \
         AND has_schema_privilege(r.oid, 'public', 'CREATE') AND ARRAY[r.oid] = ARRAY(SELECT DISTINCT c.relowner FROM pg_class c \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ({}))",
        base_tables_list()
    );
    if let Some(owner) = connection.value(&sql).await.map_err(&failed)? {
        connection.execute(&format!("SET ROLE {owner}")).await.map_err(&failed)?;
    }
    Ok(())
}

/// Before a table is adopted: may it be altered at all?
pub(crate) async fn refuse_not_owner(connection: &mut Connection) -> Result<()> {
    let sql = format!(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
         AND c.relname IN ({}) AND NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1 LIMIT 1",
        base_tables_list()
    );
    match connection.value(&sql).await.map_err(Error::doing("finding out who owns the tables"))? {
        Some(table) => Err(Refusal::NotOwner { table }.into()),
        None => Ok(()),
    }
}

fn base_tables_list() -> String {
    BASE_TABLES.map(|table| format!("'{table}'")).join(", ")
}
