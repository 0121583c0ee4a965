//! Checks that run before a change.

use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::history::record;
use crate::marker::{self, Environment};
use crate::migrations::{BASE, BASE_TABLES, Migration, base_tables_list};
use crate::step::Engine;

/// Fails if tables exist that no recorded base migration created. `adopt` takes such tables over.
pub(crate) async fn refuse_unadopted(connection: &mut Connection) -> Result<()> {
    // Look for the tables before reading the records: both are created in one transaction.
    let failed = Error::doing("looking for tables");
    let Some(other) = first_table(connection).await? else { return Ok(()) };
    for table in BASE_TABLES {
        if connection.has_table(table).await.map_err(&failed)? {
            let ours = record::applied(connection).await?.iter().any(|name| name == BASE.name());
            return if ours { Ok(()) } else { Err(unadopted(connection, table).await?.into()) };
        }
    }
    Err(Refusal::NotEmpty { table: other }.into())
}

/// Returns why a table of the base that no migration created is refused: it can be adopted, or another role took one of
/// our names.
async fn unadopted(connection: &mut Connection, table: &str) -> Result<Refusal> {
    const DOING: &str = "finding the owner of the tables";
    let adoptable = Refusal::NotAdopted { table: table.to_owned() };
    let whole = connection.has_table("User").await.map_err(Error::doing(DOING))?;
    let sql = format!(
        "SELECT quote_ident(r.rolname) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner \
         WHERE c.oid = to_regclass('public.\"{table}\"') AND NOT ({whole} AND pg_has_role(current_user, c.relowner, 'USAGE'))"
    );
    let owner = connection.ask_postgres(&sql, DOING).await?;
    Ok(owner.map_or(adoptable, |owner| Refusal::TakenName { table: table.to_owned(), owner }))
}

/// Fails in production: reverting loses data.
pub(crate) async fn refuse_production(connection: &mut Connection) -> Result<()> {
    match marker::read(connection).await? {
        Some(mark) if mark.environment == Environment::Production => Err(Refusal::Production.into()),
        _ => Ok(()),
    }
}

/// Fails if the environment marker says production, or if there is none, since the database is then not ours. Every
/// destructive operation calls it first. The message contains `doing`, for example "erase a tenant".
pub fn guard_destructive(marked: Option<Environment>, doing: &str) -> Result<()> {
    match marked {
        None => Err(Refusal::NotOurs.into()),
        Some(Environment::Production) => Err(Refusal::Destructive { doing: doing.to_owned() }.into()),
        Some(Environment::Staging | Environment::Development) => Ok(()),
    }
}

/// Fails if the database is not the expected one: a wrong URL, another application's database, or a copy with a new
/// fingerprint.
pub fn guard_fingerprint(found: Option<String>, expected: &str) -> Result<()> {
    if found.as_deref() == Some(expected) {
        return Ok(());
    }
    Err(Refusal::WrongDatabase { expected: expected.to_owned(), found }.into())
}

/// Fails if the database is neither empty nor has our environment marker.
pub(crate) async fn refuse_foreign(connection: &mut Connection) -> Result<()> {
    if is_foreign(connection).await? { Err(Refusal::NotOurs.into()) } else { Ok(()) }
}

/// Returns whether the database has tables but no environment marker.
pub(crate) async fn is_foreign(connection: &mut Connection) -> Result<bool> {
    Ok(marker::read(connection).await?.is_none() && !is_empty(connection).await?)
}

/// Fails if a later version applied migrations, which may depend on what would be reverted.
pub(crate) async fn refuse_newer(connection: &mut Connection, list: &[&'static dyn Migration]) -> Result<()> {
    let applied = record::applied(connection).await?;
    match applied.into_iter().find(|name| list.iter().all(|migration| migration.name() != name)) {
        Some(migration) => Err(Refusal::Newer { migration }.into()),
        None => Ok(()),
    }
}

/// Returns whether there are no tables except those of extensions and of the migration records.
pub(crate) async fn is_empty(connection: &mut Connection) -> Result<bool> {
    Ok(first_table(connection).await?.is_none())
}

pub(crate) async fn first_table(connection: &mut Connection) -> Result<Option<String>> {
    let sql = match connection.engine() {
        Engine::Postgres => {
            "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
             AND c.relname NOT IN ('seaql_migrations', 'rylie_migrations', 'rylie_operator_events') \
             AND c.relname NOT LIKE 'rylie_aside_%' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
             AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1 LIMIT 1"
        }
        Engine::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'rylie_aside_%' \
             AND name NOT IN ('seaql_migrations', 'rylie_migrations', 'rylie_operator_events') \
             ORDER BY 1 LIMIT 1"
        }
    };
    connection.ask(sql, "looking for tables").await
}

/// Returns whether the current role may create a table. On SQLite every writer may.
pub(crate) async fn may_create(connection: &mut Connection) -> Result<bool> {
    let sql = "SELECT has_schema_privilege('public', 'CREATE')::text";
    let answer = connection.ask_postgres(sql, "checking the right to create a table").await?;
    Ok(connection.engine() == Engine::Sqlite || answer.as_deref() == Some("true"))
}

/// Fails before any change if the current role may not alter the tables. A no-op on SQLite and on an empty database.
pub(crate) async fn refuse_not_owner(connection: &mut Connection) -> Result<()> {
    let sql = format!(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
         AND c.relname IN ({}) AND NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1 LIMIT 1",
        base_tables_list()
    );
    match connection.ask_postgres(&sql, "finding the owner of the tables").await? {
        Some(table) => Err(Refusal::NotOwner { table }.into()),
        None => Ok(()),
    }
}

/// Fails for a superuser who does not act as the table owner: the owner's code, and any code it calls, would run with a
/// superuser's rights.
pub(crate) async fn refuse_exempt(connection: &mut Connection) -> Result<()> {
    let sql = format!(
        "SELECT DISTINCT quote_ident(o.rolname) FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner, pg_roles me \
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ({}) \
         AND me.rolname = current_user AND me.rolsuper AND NOT o.rolsuper LIMIT 1",
        base_tables_list()
    );
    match connection.ask_postgres(&sql, "finding the owner of the tables").await? {
        Some(owner) => Err(Refusal::OwnerMayNotCreate { owner }.into()),
        None => Ok(()),
    }
}

/// Returns whether tables of the base exist without our record: Prisma created them, and `adopt` takes them over.
pub(crate) async fn is_prismas(connection: &mut Connection) -> Result<bool> {
    let failed = Error::doing("looking for tables");
    let base = connection.has_table("User").await.map_err(&failed)?;
    Ok(base && record::applied(connection).await?.iter().all(|name| name != BASE.name()))
}
