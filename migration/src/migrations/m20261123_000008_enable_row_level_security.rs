//! Row-level security, the second isolation layer.
//!
//! The policy has a simple form that an index serves and a sharded engine accepts. It is forced, so it applies to the
//! table owner too. It is not forced while the old service, which works as the owner, shares the database.

use crate::migrations::Migration;
use crate::migrations::m20261123_000007_create_door_roles::DOORS_OPEN;
use crate::step::{Engine, Step};

/// Without the setting, no row is visible.
const OWN: &str = "\"tenantId\" = current_setting('rylie.tenant', true)";

/// Every table with a tenant key. The tenant role has no right on accounts and sessions; their policies apply if one is
/// granted by mistake.
pub(crate) const TABLES: [&str; 12] = [
    "Agency",
    "User",
    "Account",
    "Session",
    "UserPreferences",
    "Request",
    "Task",
    "SEOWorksTaskMapping",
    "GA4Connection",
    "SearchConsoleConnection",
    "MonthlyUsage",
    "AuditLog",
];

/// The tables that the identity role uses.
const OF_IDENTITY: [&str; 4] = ["User", "Account", "Session", "AuditLog"];

pub(crate) struct EnableRowLevelSecurity;

impl Migration for EnableRowLevelSecurity {
    fn name(&self) -> &'static str {
        "m20261123_000008_enable_row_level_security"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => TABLES.iter().map(|table| row_security(table)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => TABLES.iter().map(|table| unprotect(table)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}

/// Returns one statement per table, so that no session sees a partial change. Its lock lasts for a catalog change only.
fn row_security(table: &str) -> Step {
    let policy = |role: &str, condition: &str| {
        format!(
            "DROP POLICY IF EXISTS {role} ON \"{table}\"; \
             CREATE POLICY {role} ON \"{table}\" TO {role} USING ({condition}) WITH CHECK ({condition});"
        )
    };
    let mut policies = vec![policy("rylie_tenant", OWN), policy("rylie_platform", "true")];
    if OF_IDENTITY.contains(&table) {
        policies.push(policy("rylie_identity", "true"));
    }
    Step::sql(format!(
        "DO $$ BEGIN IF {DOORS_OPEN} THEN {} ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY; \
         IF (SELECT state FROM public.rylie_database) = 'coexistence' THEN ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY; \
         ELSE ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY; END IF; END IF; END $$",
        policies.join(" ")
    ))
}

fn unprotect(table: &str) -> Step {
    let drops = ["rylie_tenant", "rylie_identity", "rylie_platform"]
        .map(|role| format!("DROP POLICY IF EXISTS {role} ON \"{table}\";"));
    Step::sql(format!(
        "DO $$ BEGIN {} ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY; \
         ALTER TABLE \"{table}\" DISABLE ROW LEVEL SECURITY; END $$",
        drops.join(" ")
    ))
}
