//! Checks who owns our objects, and whose code our statements would run. PostgreSQL.
//!
//! Any role that may create objects in schema `public` can create a function or table under one of our names first.
//! `CREATE OR REPLACE` keeps its owner, who can change the body later; `IF NOT EXISTS` keeps the object. A catalog
//! query therefore looks for such objects before anything runs, and after a deploy. In between, the transaction of each
//! statement that could keep one looks for the objects that the statement names.

mod stranger;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::connection::{Connection, parsed};
use crate::drift::Snapshot;
use crate::error::{Error, Refusal, Result};
use crate::history::{journal, record};
use crate::migrations::m20261126_000027_fix_search_path_of_readers::{FixSearchPathOfReaders, READERS};
use crate::migrations::{BASE_TABLES, Migration};
use crate::step::{Engine, Step, Target};

pub use stranger::Stranger;

/// The names of our relations and types, those of functions apart, which all begin with `rylie_`.
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let expected = Snapshot::expected();
    let mut relations: BTreeSet<String> = BASE_TABLES.iter().map(|table| (*table).to_owned()).collect();
    relations.insert(record::TABLE.to_owned());
    for (name, table) in &expected.tables {
        relations.insert(name.clone());
        relations.extend(table.indexes.keys().cloned());
    }
    relations.extend(expected.sequences.keys().chain(expected.views.keys()).cloned());
    let types = expected.enums.keys().chain(expected.tables.keys()).cloned().collect();
    Names { relations, types }
});

struct Names {
    relations: BTreeSet<String>,
    types: BTreeSet<String>,
}

/// Finds foreign objects. Its search path is PostgreSQL's own schema, so objects in other schemas cannot hide any.
static STRANGERS: LazyLock<String> = LazyLock::new(|| {
    include_str!("owners/strangers.sql")
        .replace("$base", &list(BASE_TABLES))
        .replace("$relations", &list(NAMES.relations.iter().map(String::as_str)))
        .replace("$types", &list(NAMES.types.iter().map(String::as_str)))
});

/// Finds foreign objects of some names, without looking through the catalog.
const NAMED: &str = include_str!("owners/named.sql");

/// Finds our functions in which the caller's search path could resolve a name. `$later`: those that a pending migration
/// fixes.
const UNFIXED: &str = "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^rylie_' \
     AND p.prokind IN ('f', 'p') AND p.proname NOT IN ($later) \
     AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=pg_catalog(, public)?, pg_temp$') ORDER BY 1";

/// Finds roles that may create objects in schema `public`, except the table owner, its members and superusers.
/// PostgreSQL 14 and earlier granted this right to `PUBLIC`.
const CREATORS: &str = "WITH everybody AS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) e WHERE n.nspname = 'public' AND e.grantee = 0 \
     AND e.privilege_type = 'CREATE') \
     SELECT 'PUBLIC' FROM everybody UNION ALL SELECT quote_ident(r.rolname) FROM pg_roles r WHERE NOT EXISTS (SELECT FROM everybody) \
     AND r.rolname !~ '^pg_' AND has_schema_privilege(r.oid, 'public', 'CREATE') AND EXISTS (SELECT FROM pg_class c \
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname = 'User' AND NOT pg_has_role(r.oid, c.relowner, 'MEMBER'))";

/// The error code with which a statement is rolled back if it would keep another role's object.
pub(crate) const CODE: &str = "RY001";

const DOING: &str = "looking for the owners of our objects";

/// Returns all foreign objects. Reads only; needs no right.
pub(crate) async fn strangers(connection: &mut Connection) -> Result<Vec<Stranger>> {
    values(connection, &STRANGERS).await?.iter().map(|row| parsed(row, DOING)).collect()
}

/// Returns our functions without a fixed search path.
pub(crate) async fn unfixed(connection: &mut Connection) -> Result<Vec<String>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let applied = record::applied(connection).await?;
    let name = FixSearchPathOfReaders.name();
    let half_gone = journal::is_half_gone(connection, name).await.map_err(Error::doing(DOING))?;
    let fixed = applied.iter().any(|applied| applied == name) && !half_gone;
    let later = if fixed { list([""]) } else { list(READERS) };
    values(connection, &UNFIXED.replace("$later", &later)).await
}

/// Returns `PUBLIC`, or the logins that may create objects in schema `public` and are not the table owner.
pub(crate) async fn creators(connection: &mut Connection) -> Result<Vec<String>> {
    values(connection, CREATORS).await
}

/// Fails unless the table owner owns all our objects and our statements call no other role's code. Runs before anything
/// else.
pub(crate) async fn refuse_strangers(connection: &mut Connection) -> Result<()> {
    let found = strangers(connection).await?;
    if !found.is_empty() {
        return Err(Refusal::Strangers { found }.into());
    }
    match unfixed(connection).await?.into_iter().next() {
        Some(function) => Err(Refusal::Unfixed { function }.into()),
        None => Ok(()),
    }
}

/// Returns the statement that fails with [`CODE`] where [`refuse_strangers`] would refuse another owner. It sets
/// PostgreSQL's own search path until the end of the transaction.
pub(crate) fn check() -> String {
    failing(&STRANGERS)
}

/// As [`check`], for the objects that these statements name: a statement can keep, replace or call no other. `None` if
/// they name none of ours.
pub(crate) fn check_of<'s>(statements: impl IntoIterator<Item = &'s str>) -> Option<String> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let ours =
        |word: &&str| word.starts_with("rylie_") || NAMES.relations.contains(*word) || NAMES.types.contains(*word);
    let words = statements.into_iter().flat_map(|sql| sql.split(move |letter: char| !is_part(letter)));
    let named: BTreeSet<&str> = words.filter(ours).collect();
    (!named.is_empty()).then(|| failing(&NAMED.replace("$base", &list(BASE_TABLES)).replace("$names", &list(named))))
}

fn failing(strangers: &str) -> String {
    format!(
        "DO $check$ DECLARE found text; BEGIN PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true); \
         EXECUTE $strangers$ {strangers} LIMIT 1 $strangers$ INTO found; \
         IF found IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '{CODE}', MESSAGE = found; END IF; END $check$"
    )
}

/// Returns the same check for use inside a transaction: it restores the search path.
pub(crate) fn check_and_go_on() -> String {
    format!(
        "DO $path$ DECLARE before text := pg_catalog.current_setting('search_path'); BEGIN EXECUTE $do$ {} $do$; \
         PERFORM pg_catalog.set_config('search_path', before, true); END $path$",
        check()
    )
}

/// Returns whether a step would keep an existing object of its name, so that it must be checked in its own transaction.
pub(crate) fn may_meet_another(step: &Step) -> bool {
    let sql = step.statement();
    matches!(step, Step::Sql(_) | Step::Once(_)) && (sql.contains("OR REPLACE") || sql.contains("IF NOT EXISTS"))
}

/// Returns the refusal if the error comes from [`check`].
pub(crate) fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    let reported = error.as_database_error().filter(|reported| reported.code().as_deref() == Some(CODE))?;
    let found = serde_json::from_str(reported.message()).ok()?;
    Some(Refusal::Strangers { found: vec![found] })
}

async fn values(connection: &mut Connection, sql: &str) -> Result<Vec<String>> {
    if connection.engine() == Engine::Sqlite {
        return Ok(Vec::new());
    }
    let failed = Error::doing(DOING);
    connection.execute("SET search_path = pg_catalog, pg_temp").await.map_err(&failed)?;
    let rows = connection.values(sql).await;
    connection.execute(crate::connection::SEARCH_PATH).await.map_err(&failed)?;
    rows.map_err(failed)
}

fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}
