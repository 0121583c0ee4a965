//! Obstacles to a move to Citus with the tenant key as the distribution column, object by object.
//!
//! They are made on request only: they concern a plan and no present fault.

use super::check::{CheckSpec, Look, Need, by_code, postgres};
use super::report::{Outcome, Verdict};

const NONE: &str = "none now; it belongs to the move";

const fn obstacle(id: &'static str, meaning: &'static str, sql: &'static str, remedy: &'static str) -> CheckSpec {
    postgres(id, meaning, sql).warns().on_request().needs(&[Need::Table("User")]).fix(remedy, NONE)
}

pub(super) static CHECKS: [CheckSpec; 9] = [
    obstacle(
        "shardable.triggers",
        "Citus distributes no table with triggers.",
        "SELECT 'warning', 'trigger ' || quote_ident(g.tgname), 'on ' || t.name, NULL, NULL FROM pg_trigger g JOIN {tenant_tables} t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal AND t.relname <> 'AuditLog'",
        "drop it in the sharded schema and keep the checks; the library always writes the tenant key",
    ),
    obstacle(
        "shardable.unique-keys",
        "Citus accepts unique keys only with the distribution column.",
        "SELECT 'warning', 'index ' || quote_ident(c.relname), CASE WHEN i.indisprimary THEN 'primary key' ELSE 'unique index' END || ' of ' || t.name || ' lacks the tenant key', NULL, NULL \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN {tenant_tables} t ON t.oid = i.indrelid WHERE i.indisunique AND t.relname <> 'AuditLog' AND NOT t.tenant_column = ANY (i.indkey::int2[])",
        "add the tenant key to it; ON CONFLICT names it then",
    ),
    obstacle(
        "shardable.cascades",
        "Citus supports no SET NULL, SET DEFAULT or CASCADE in ON UPDATE with the distribution column.",
        "SELECT 'warning', 'constraint ' || quote_ident(k.conname), 'of ' || t.name || ' changes rows when its parent changes', NULL, NULL FROM pg_constraint k JOIN {tenant_tables} t ON t.oid = k.conrelid \
         WHERE k.contype = 'f' AND (k.confupdtype IN ('c', 'n', 'd') AND t.tenant_column = ANY (k.conkey) OR k.confdeltype IN ('n', 'd') AND t.tenant_column = ANY (k.conkey))",
        "no ON UPDATE CASCADE; move rows by an explicit copy and delete",
    ),
    obstacle(
        "shardable.single-column-keys",
        "Citus accepts a key to a distributed table only with the distribution column.",
        "SELECT 'warning', 'constraint ' || quote_ident(k.conname), 'of ' || t.name || ' to ' || k.confrelid::regclass || ' lacks the tenant key', NULL, NULL \
         FROM pg_constraint k JOIN {tenant_tables} t ON t.oid = k.conrelid JOIN {tenant_tables} p ON p.oid = k.confrelid WHERE k.contype = 'f' AND NOT t.tenant_column = ANY (k.conkey)",
        "make it composite, or drop it",
    ),
    obstacle(
        "shardable.unit-roles",
        "Citus connects to its workers as the current role, which must be permitted to log in.",
        "SELECT 'warning', 'role ' || rolname, 'may not log in', NULL, NULL FROM pg_roles WHERE rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') AND NOT rolcanlogin",
        "LOGIN in the sharded schema, held off by pg_hba.conf",
    ),
    obstacle(
        "shardable.audit-position",
        "The audit log takes its positions from one sequence.",
        "SELECT 'warning', 'sequence ' || c.oid::regclass, 'numbers the records of all tenants', NULL, NULL FROM pg_class c WHERE c.oid = to_regclass('public.rylie_audit_position')",
        "keep the log and its seals on the coordinator",
    ),
    obstacle(
        "shardable.readers",
        "A function assumes a role and a tenant within one statement, which the workers do not see.",
        "SELECT 'warning', 'function ' || p.oid::regprocedure, 'must not exist in a sharded database', NULL, NULL FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname ~ '^rylie_[a-z0-9_]+_by_id$'",
        "drop it in the sharded schema; the store then begins a transaction",
    ),
    obstacle(
        "shardable.unlike-keys",
        "Distributed tables join on the distribution column, so it must have one type.",
        "SELECT 'warning', 'table ' || t.name, 'has the tenant key as ' || format_type(a.atttypid, a.atttypmod), NULL, NULL FROM {tenant_tables} t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = t.tenant_column WHERE a.atttypid <> 'text'::regtype",
        "ALTER TABLE … ALTER COLUMN \"tenantId\" TYPE text",
    ),
    by_code(
        "shardable.version",
        "Citus serves PostgreSQL 15 to 18: Citus 13.2 up to 17, Citus 14 from 16 on.",
        Look::PostgresCode,
    )
    .warns()
    .on_request()
    .fix("upgrade the server first", NONE),
];

/// Returns the outcome of `shardable.version` for a `server_version_num`.
#[must_use]
pub fn version_outcome(version: i32) -> Outcome {
    let major = version / 10_000;
    let detail = format!("PostgreSQL {major}");
    if (15..=18).contains(&major) { Outcome::ok(detail) } else { Outcome::found(Verdict::Warning, "server", detail) }
}
