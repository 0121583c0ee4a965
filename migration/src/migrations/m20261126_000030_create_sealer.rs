//! Sealing, removing and erasing are a role's of its own, `rylie_sealer`, which no service's login may take unless it is let
//! (`rylie roles provision --sealer NAME`). The platform's door keeps adding and reading.
//!
//! The tables' owner becomes a member: an owner may do all of that anyway. `SET ROLE` alone gives the role's rights to a login that
//! inherits none, and no policy is for it: it never reads the log itself.

use super::m20261124_000013_protect_audit_log::POSTGRES as BEFORE;
use crate::migrations::Migration;
use crate::step::{Engine, Step, statements};

/// Makes the role, and lets the tables' owner take it. Bears being done again, and by who may not make roles.
const ROLE: &str = include_str!("m20261126_000030_create_sealer/role.sql");

/// What the sealer may call, with the checks that a removal passes.
const FUNCTIONS: &str = include_str!("m20261126_000030_create_sealer/functions.sql");

const SEALS: &str = "rylie_audit_batch, rylie_audit_tenant, rylie_audit_leaf";

const CALLS: &str = "public.rylie_audit_remove_batch(bigint, timestamp), public.rylie_audit_erase(text, text, bytea)";

/// Exactly these rights. The platform's go also where nobody may seal yet: that is told, and a gap would not be.
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
            // It has no roles.
            Engine::Sqlite => Vec::new(),
        }
    }

    /// The role stays: other databases of the server may use it. The functions are as they were before.
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

    fn builds_walls(&self) -> bool {
        true
    }
}
