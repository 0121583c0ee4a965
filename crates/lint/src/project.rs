//! The project's own migrations as scripts.

use rylie_migration::{Engine, MIGRATIONS, Migration};

use crate::allow::Allowance;
use crate::script::{Script, Text};

/// What was released before it could be said in a comment: a released migration is not edited. Migration, rule, reason.
const RELEASED: &[(&str, &str, &str)] = &[
    ("m20261123_000001_create_base_tables", "audit-log-cascade", "Prisma's; taken away by m20261123_000005"),
    ("m20261123_000005_drop_audit_log_foreign_key", "drop-constraint", "the evidence is to outlive its actor"),
    ("m20261123_000007_create_door_roles", "dynamic-sql", "one of two GRANTs, both written out right above it"),
];

/// The steps that apply each migration on PostgreSQL; each statement is a text of its own, named by migration and step. Those that take
/// a migration back are not among them: they lose data by nature, and are refused in production.
#[must_use]
pub fn scripts_of_migrations() -> Vec<Script> {
    MIGRATIONS.iter().map(|migration| script_of(*migration)).collect()
}

fn script_of(migration: &dyn Migration) -> Script {
    let name = migration.name();
    let steps = migration.up(Engine::Postgres);
    let texts = steps
        .iter()
        .enumerate()
        .map(|(number, step)| Text { name: format!("{name}, step {}", number + 1), sql: step.statement().to_owned() });
    let allowed = RELEASED.iter().filter(|(migration, ..)| *migration == name);
    Script {
        texts: texts.collect(),
        in_transaction: migration.in_transaction(Engine::Postgres),
        // The runner does, before each step.
        limits_locks: true,
        allowed: allowed.map(|(_, rule, _)| Allowance::everywhere(rule)).collect(),
    }
}
