//! Deleting a user must not delete the evidence: the audit log names its actor by value.

use crate::migrations::Migration;
use crate::migrations::m20261123_000003_add_tenant_key::AUDIT_LOG_TRIGGER;
use crate::migrations::sqlite_rebuild::Rebuild;
use crate::step::{Engine, Step};

const FOREIGN_KEY: &str = "AuditLog_userId_fkey";

pub(crate) struct DropAuditLogForeignKey;

impl Migration for DropAuditLogForeignKey {
    fn name(&self) -> &'static str {
        "m20261123_000005_drop_audit_log_foreign_key"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            // By what it does and not by name alone: some versions of Prisma named it otherwise.
            Engine::Postgres => vec![Step::sql(
                "DO $$ DECLARE found text; BEGIN FOR found IN SELECT conname FROM pg_constraint \
                 WHERE contype = 'f' AND conrelid = '\"AuditLog\"'::regclass AND confrelid = '\"User\"'::regclass \
                 LOOP EXECUTE format('ALTER TABLE \"AuditLog\" DROP CONSTRAINT %I', found); END LOOP; END $$",
            )],
            Engine::Sqlite => rebuild(Rebuild::of("AuditLog").without_constraint(FOREIGN_KEY)),
        }
    }

    /// Fails where the log names a user who is gone: that entry and the old foreign key exclude each other.
    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![
                // Asked first, so that nothing is changed where it cannot be done.
                Step::sql(
                    "DO $$ BEGIN IF EXISTS (SELECT FROM \"AuditLog\" a WHERE NOT EXISTS (SELECT FROM \"User\" u WHERE u.id = a.\"userId\")) \
                     THEN RAISE foreign_key_violation USING MESSAGE = 'the audit log names actors who are no users (any more), which the \
                     old foreign key forbids'; END IF; END $$",
                ),
                Step::sql(format!(
                    "ALTER TABLE \"AuditLog\" DROP CONSTRAINT IF EXISTS \"{FOREIGN_KEY}\", ADD CONSTRAINT \"{FOREIGN_KEY}\" \
                     FOREIGN KEY (\"userId\") REFERENCES \"User\"(id) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID"
                )),
                Step::sql(format!("ALTER TABLE \"AuditLog\" VALIDATE CONSTRAINT \"{FOREIGN_KEY}\"")),
            ],
            Engine::Sqlite => rebuild(Rebuild::of("AuditLog")),
        }
    }
}

/// The column and trigger of the tenant key are kept.
fn rebuild(table: Rebuild) -> Vec<Step> {
    let mut steps = table.column("\"tenantId\" TEXT DEFAULT '' NOT NULL", "old.\"tenantId\"").steps();
    steps.push(Step::sql(AUDIT_LOG_TRIGGER));
    steps
}
