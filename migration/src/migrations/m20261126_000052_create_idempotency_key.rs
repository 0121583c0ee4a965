//! The answers of calls that may be repeated: a call that is sent twice has one effect.
//!
//! Only our own code writes this table, so no trigger fills in the tenant. It has no foreign key to its caller: an answer
//! has the data of the tenant in which it was given, and must not follow a user to another one.

use crate::migrations::Migration;
use crate::migrations::m20261126_000036_spell_times_one_way::one_spelling;
use crate::migrations::tenant_table::protect;
use crate::step::{Engine, Step};

/// The platform updates no answer, but locking one requires that right.
const GRANTS: &str = "GRANT SELECT, INSERT, UPDATE, DELETE ON \"IdempotencyKey\" TO rylie_tenant, rylie_platform;";

pub(crate) struct CreateIdempotencyKey;

impl Migration for CreateIdempotencyKey {
    fn name(&self) -> &'static str {
        "m20261126_000052_create_idempotency_key"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        let mut steps = vec![
            create_table(engine),
            Step::unique_index(
                engine,
                "IdempotencyKey_tenantId_callerId_key_key",
                "\"IdempotencyKey\" (\"tenantId\", \"callerId\", key)",
            ),
            // Old answers are removed by time, across tenants.
            Step::index(engine, "IdempotencyKey_expires_idx", "\"IdempotencyKey\" (expires)"),
        ];
        match engine {
            Engine::Postgres => {
                steps.push(protect("IdempotencyKey", GRANTS));
            }
            // The first step converts rows, and the table has none.
            Engine::Sqlite => {
                steps.extend(one_spelling("IdempotencyKey", &["expires", "createdAt"]).into_iter().skip(1));
            }
        }
        steps
    }

    fn down(&self, _: Engine) -> Vec<Step> {
        vec![Step::sql("DROP TABLE IF EXISTS \"IdempotencyKey\"")]
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}

fn create_table(engine: Engine) -> Step {
    let (text, time) = match engine {
        Engine::Postgres => ("text", "timestamp(3)"),
        Engine::Sqlite => ("TEXT", "TIMESTAMP"),
    };
    Step::sql(format!(
        "CREATE TABLE IF NOT EXISTS \"IdempotencyKey\" (id {text} NOT NULL, \"callerId\" {text} NOT NULL, key {text} NOT NULL, \
         fingerprint {text} NOT NULL, answer {text}, expires {time} NOT NULL, \"createdAt\" {time} NOT NULL, \
         \"tenantId\" {text} NOT NULL, CONSTRAINT \"IdempotencyKey_pkey\" PRIMARY KEY (id))"
    ))
}
