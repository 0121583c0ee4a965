//! What is asked before something is changed.

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::history::record;
use crate::mark::{self, Environment};
use crate::migrations::{BASE, BASE_TABLES, Migration, base_tables_list};
use crate::step::Engine;

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

/// What destroys data asks this first, with what the database's mark says: refused for production, and for a database without
/// a mark, which is not ours to destroy anything in. `doing` goes into the message: "erase a tenant".
pub fn guard_destructive(marked: Option<Environment>, doing: &str) -> Result<()> {
    match marked {
        None => Err(Refusal::NotOurs.into()),
        Some(Environment::Production) => Err(Refusal::Destructive { doing: doing.to_owned() }.into()),
        Some(Environment::Staging | Environment::Development) => Ok(()),
    }
}

/// Refused for another database than the one meant: a wrong URL, another application's, a copy with a fingerprint of its own.
pub fn guard_fingerprint(found: Option<String>, expected: &str) -> Result<()> {
    if found.as_deref() == Some(expected) {
        return Ok(());
    }
    Err(Refusal::WrongDatabase { expected: expected.to_owned(), found }.into())
}

/// A reset is for an empty database, or for one with our mark.
pub(crate) async fn refuse_foreign(connection: &mut Connection) -> Result<()> {
    if is_foreign(connection).await? { Err(Refusal::NotOurs.into()) } else { Ok(()) }
}

/// Whether there is something in it, and no mark of ours.
pub(crate) async fn is_foreign(connection: &mut Connection) -> Result<bool> {
    Ok(mark::read(connection).await?.is_none() && !is_empty(connection).await?)
}

/// What a later version added depends on what we would take away.
pub(crate) async fn refuse_newer(connection: &mut Connection, list: &'static [&'static dyn Migration]) -> Result<()> {
    let applied = record::applied(connection).await?;
    match applied.into_iter().find(|name| list.iter().all(|migration| migration.name() != name)) {
        Some(migration) => Err(Refusal::Newer { migration }.into()),
        None => Ok(()),
    }
}

/// Whether there is no table at all, but those of extensions and SeaORM's own.
pub(crate) async fn is_empty(connection: &mut Connection) -> Result<bool> {
    Ok(first_table(connection).await?.is_none())
}

pub(crate) async fn first_table(connection: &mut Connection) -> Result<Option<String>> {
    let sql = match connection.engine() {
        Engine::Postgres => {
            "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
             AND c.relname NOT IN ('seaql_migrations', 'rylie_migrations', 'rylie_operator_events') AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1 LIMIT 1"
        }
        Engine::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT IN ('seaql_migrations', 'rylie_migrations', 'rylie_operator_events') \
             ORDER BY 1 LIMIT 1"
        }
    };
    connection.value(sql).await.map_err(Error::doing("looking for tables"))
}

/// Whether this login may make a table, or become who may. On SQLite whoever may write may.
pub(crate) async fn may_create(connection: &mut Connection) -> Result<bool> {
    if connection.engine() == Engine::Sqlite {
        return Ok(true);
    }
    let sql = "SELECT has_schema_privilege('public', 'CREATE')::text";
    let answer = connection.value(sql).await.map_err(Error::doing("looking for the right to make a table"))?;
    Ok(answer.as_deref() == Some("true"))
}

/// Before anything is altered: may it be altered at all? A no-op on SQLite and on an empty database.
pub(crate) async fn refuse_not_owner(connection: &mut Connection) -> Result<()> {
    if connection.engine() == Engine::Sqlite {
        return Ok(());
    }
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

/// Nor is anything done with a superuser's rights where the tables' owner has none: her code, and whoever's she calls, would have them.
pub(crate) async fn refuse_exempt(connection: &mut Connection) -> Result<()> {
    if connection.engine() == Engine::Sqlite {
        return Ok(());
    }
    let sql = format!(
        "SELECT DISTINCT quote_ident(o.rolname) FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner, pg_roles me \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ({}) \
         AND me.rolname = current_user AND me.rolsuper AND NOT o.rolsuper LIMIT 1",
        base_tables_list()
    );
    match connection.value(&sql).await.map_err(Error::doing("finding out who owns the tables"))? {
        Some(owner) => Err(Refusal::OwnerMayNotCreate { owner }.into()),
        None => Ok(()),
    }
}

/// Whether tables of the base are there without our record: Prisma made them, and `adopt` takes them over.
pub(crate) async fn is_prismas(connection: &mut Connection) -> Result<bool> {
    let failed = Error::doing("looking for tables");
    let base = connection.has_table("User").await.map_err(&failed)?;
    Ok(base && record::applied(connection).await?.iter().all(|name| name != BASE.name()))
}
