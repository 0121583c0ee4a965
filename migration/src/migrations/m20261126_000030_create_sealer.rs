//! Moves sealing, removing and erasing to the role `rylie_sealer`. A service's login may not assume it unless
//! provisioned for that (`rylie roles provision --sealer NAME`). The platform role still adds and reads.
//!
//! The table owner becomes a member, since an owner may do all of that anyway. A login inherits nothing and gets the
//! role's rights by `SET ROLE` only. No policy is for the role, so it never reads the log itself.

use super::m20261124_000013_protect_audit_log::POSTGRES as BEFORE;
use crate::migrations::Migration;
use crate::step::{Engine, Step, statements};

/// Creates the role, and lets the table owner assume it. Idempotent, and harmless if the login may not create roles.
const ROLE: &str = include_str!("m20261126_000030_create_sealer/role.sql");

/// The functions that the sealer may call, with the checks before a removal.
pub(crate) const FUNCTIONS: &str = include_str!("m20261126_000030_create_sealer/functions.sql");

const SEALS: &str = "rylie_audit_batch, rylie_audit_tenant, rylie_audit_leaf";

const CALLS: &str = "public.rylie_audit_remove_batch(bigint, timestamp), public.rylie_audit_erase(text, text, bytea)";

/// Grants exactly these rights. The platform's rights are revoked even if no login may seal yet: a missing sealer is
/// reported, but an excess right would not be.
fn grants() -> String {
    format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_platform') THEN \
         REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {SEALS}, rylie_audit_pending FROM rylie_platform; \
         REVOKE ALL ON FUNCTION {CALLS} FROM rylie_platform; END IF; \
         IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_sealer') THEN \
         REVOKE ALL ON {SEALS}, rylie_audit_pending FROM rylie_sealer; \
         GRANT USAGE ON SCHEMA public TO rylie_sealer; \
         GRANT SELECT, INSERT ON {SEALS} TO rylie_sealer; \
         GRANT SELECT, DELETE ON rylie_audit_pending TO rylie_sealer; \
         GRANT EXECUTE ON FUNCTION {CALLS} TO rylie_sealer; \
         END IF; END $$"
    )
}

fn revoke() -> String {
    format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_sealer') THEN \
         REVOKE ALL ON {SEALS}, rylie_audit_pending FROM rylie_sealer; REVOKE ALL ON FUNCTION {CALLS} FROM rylie_sealer; \
         REVOKE USAGE ON SCHEMA public FROM rylie_sealer; END IF; \
         IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_platform') THEN \
         GRANT SELECT, INSERT ON {SEALS} TO rylie_platform; GRANT SELECT, DELETE ON rylie_audit_pending TO rylie_platform; \
         GRANT EXECUTE ON FUNCTION {CALLS} TO rylie_platform; END IF; END $$"
    )
}

pub(crate) struct CreateSealer;

impl Migration for CreateSealer {
    fn name(&self) -> &'static str {
        "m20261126_000030_create_sealer"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                let mut steps = vec![Step::sql(ROLE)];
                steps.extend(statements(FUNCTIONS));
                steps.push(Step::sql(grants()));
                steps
            }
            // SQLite has no roles.
            Engine::Sqlite => Vec::new(),
        }
    }

    /// Keeps the role, which other databases of the server may use, and restores the previous functions.
    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => {
                let mut steps: Vec<Step> = statements(BEFORE).into_iter().skip(1).take(2).collect();
                steps.push(Step::sql(revoke()));
                steps
            }
            Engine::Sqlite => Vec::new(),
        }
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}
