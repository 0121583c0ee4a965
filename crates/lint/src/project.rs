//! The project's own migrations as scripts.

use rylie_migration::{Engine, MIGRATIONS, Migration};

use crate::allow::Allowance;
use crate::script::{Script, Text};

/// Allowances for migrations that were released before allowances existed, because a released migration is not edited.
/// Each has migration, rule and reason.
const RELEASED: &[(&str, &str, &str)] = &[
    ("m20261123_000001_create_base_tables", "audit-log-cascade", "created by Prisma; removed by m20261123_000005"),
    ("m20261123_000005_drop_audit_log_foreign_key", "drop-constraint", "the evidence must outlive its actor"),
    ("m20261123_000007_create_door_roles", "dynamic-sql", "one of two GRANTs, both written out directly above it"),
];

/// Returns the steps that apply each migration on PostgreSQL. Each statement is a separate text, named by migration and
/// step. Down steps are not included: they lose data by nature, and production refuses them.
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
        // The runner sets `lock_timeout` before each step.
        limits_locks: true,
        allowed: allowed.map(|(_, rule, _)| Allowance::everywhere(rule)).collect(),
    }
}
