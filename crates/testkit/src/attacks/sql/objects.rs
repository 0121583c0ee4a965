//! All other objects that the tenant role has a right on: tables without a tenant, views, sequences, functions, other
//! roles.

use super::Sides;
use crate::Result;
use crate::attacks::log::{Log, Seen};
use crate::attacks::raw::{Answer, Raw, literal, name};

pub(super) async fn attack(raw: &mut Raw, sides: &Sides, trusted: &[String], log: &mut Log) {
    log.note("the tenant's role has no right on tables of no tenant", none(raw, TABLES, trusted, NO_TENANT).await);
    log.note("views work with the rights of who looks", none(raw, VIEWS, trusted, OWNER_RIGHTS).await);
    log.note("views show the own rows only", views(raw, sides).await);
    log.note("the tenant's role uses no sequence", none(raw, SEQUENCES, trusted, SHARED).await);
    log.note(
        "the tenant's role calls no function with its owner's rights",
        none(raw, FUNCTIONS, trusted, OWNER_RIGHTS).await,
    );
    log.note("the tenant's role is a member of no other role, and has no privilege", role(raw).await);
}

const NO_TENANT: &str = "it has no \"tenantId\", and the tenant's role has a right on it";
const OWNER_RIGHTS: &str = "it runs with its owner's rights, and policies may not bind the owner";
const SHARED: &str = "its numbers reveal activity of other tenants, and can be set";

// `$name`: the name as `trusting` takes it. `$reached`: in a schema, not one of the system's, that the role may use.
const TABLES: &str = "SELECT $name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $reached AND c.relkind IN ('r', 'p', 'f') \
    AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenantId') \
    AND (has_table_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') \
      OR has_any_column_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))";
const VIEWS: &str = "SELECT $name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $reached AND c.relkind IN ('v', 'm') \
    AND has_any_column_privilege('rylie_tenant', c.oid, 'SELECT, INSERT, UPDATE') \
    AND NOT (c.relkind = 'v' AND coalesce(c.reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false))";
const SEQUENCES: &str = "SELECT $name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $reached \
    AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege('rylie_tenant', c.oid, 'USAGE, SELECT, UPDATE') ELSE false END";
// A trigger function cannot be called.
const FUNCTIONS: &str = "SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || p.proname FROM pg_proc p \
    JOIN pg_namespace n ON n.oid = p.pronamespace WHERE $reached AND p.prosecdef \
    AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) AND has_function_privilege('rylie_tenant', p.oid, 'EXECUTE')";

/// Fills in the placeholders of a catalog query. A name outside `public` includes its schema.
pub(super) fn filled(sql: &str) -> String {
    sql.replace("$name", "CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname").replace(
        "$reached",
        "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND has_schema_privilege('rylie_tenant', n.oid, 'USAGE')",
    )
}

/// A reviewed function of ours: it returns whether the platform records ordinary events, and takes no argument.
const OURS: &str = "rylie_audit_logging";

/// Reports every name in the query's result that is not trusted.
pub(super) async fn none(raw: &mut Raw, sql: &str, trusted: &[String], why: &str) -> Result<Seen> {
    let found = raw.texts(&filled(sql)).await?.into_iter().filter(|name| name != OURS && !trusted.contains(name));
    Ok(Seen::of(found.map(|name| format!("{name}: {why}")).collect()))
}

/// Applies to trusted objects too: a row that contains the victim's key is the victim's.
async fn views(raw: &mut Raw, sides: &Sides) -> Result<Seen> {
    let mut seen = Seen::default();
    let all = "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE $reached AND c.relkind IN ('v', 'm', 'f') AND has_table_privilege('rylie_tenant', c.oid, 'SELECT')";
    for view in raw.texts(&filled(all)).await? {
        let victim = literal(&sides.victim);
        let rows = format!("SELECT 'x' FROM {view} AS shown WHERE strpos(shown::text, {victim}) > 0");
        let answer = raw.as_tenant(&sides.attacker, &rows).await?;
        seen.unless(answer == Answer::Rows(Vec::new()), format_args!("{view}: {answer:?}"));
    }
    Ok(seen)
}

async fn role(raw: &mut Raw) -> Result<Seen> {
    let mut seen = Seen::default();
    let powers = "SELECT rolname::text FROM pg_roles WHERE rolname = 'rylie_tenant' \
                  AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin)";
    seen.unless(raw.texts(powers).await?.is_empty(), "it has a privilege");
    let others = "SELECT rolname::text FROM pg_roles WHERE rolname <> 'rylie_tenant' ORDER BY 1";
    for other in raw.texts(others).await? {
        // Imitates a login of that name, whose memberships alone count.
        raw.run("BEGIN; SET LOCAL SESSION AUTHORIZATION rylie_tenant").await?;
        let answer = raw.answer(&format!("SET LOCAL ROLE {}", name(&other))).await;
        raw.leave().await?;
        seen.unless(answer.is_denied(), format_args!("SET ROLE {other}: {answer:?}"));
    }
    for sql in [
        "ALTER ROLE rylie_tenant BYPASSRLS",
        "CREATE ROLE mine",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (a int)",
    ] {
        raw.run("BEGIN; SET LOCAL ROLE rylie_tenant").await?;
        let answer = raw.answer(sql).await;
        raw.leave().await?;
        seen.unless(answer.is_denied(), format_args!("{sql}: {answer:?}"));
    }
    Ok(seen)
}
