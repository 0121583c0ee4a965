//! Row-level security: the second wall.
//!
//! The policy has the plain form, which an index serves and a sharded engine accepts. It is forced, so that it binds
//! the tables' owner too, unless the database is shared with the old service, which works as the owner.

use crate::migrations::Migration;
use crate::migrations::m20261123_000007_create_door_roles::DOORS_OPEN;
use crate::step::{Engine, Step};

/// Nothing set, nothing seen.
const OWN: &str = "\"tenantId\" = current_setting('rylie.tenant', true)";

/// Every table with a tenant's key. The tenant's role has no right on accounts and sessions; should somebody grant one,
/// the policy is there.
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

/// Those of them that the identity door uses.
const OF_IDENTITY: [&str; 4] = ["User", "Account", "Session", "AuditLog"];

pub(crate) struct EnableRowLevelSecurity;

impl Migration for EnableRowLevelSecurity {
    fn name(&self) -> &'static str {
        "m20261123_000008_enable_row_level_security"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => TABLES.iter().map(|table| wall(table)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => TABLES.iter().map(|table| unwall(table)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn builds_walls(&self) -> bool {
        true
    }
}

/// One statement a table, so that no moment shows it half done, and its lock is held for a catalog change only.
fn wall(table: &str) -> Step {
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

fn unwall(table: &str) -> Step {
    let drops = ["rylie_tenant", "rylie_identity", "rylie_platform"]
        .map(|role| format!("DROP POLICY IF EXISTS {role} ON \"{table}\";"));
    Step::sql(format!(
        "DO $$ BEGIN {} ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY; \
         ALTER TABLE \"{table}\" DISABLE ROW LEVEL SECURITY; END $$",
        drops.join(" ")
    ))
}
