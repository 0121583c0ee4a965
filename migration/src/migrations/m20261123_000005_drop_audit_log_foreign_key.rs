//! Removes the audit log's foreign key to its actor, so that deleting a user keeps the user's records.

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
            // Finds the key by what it refers to, not by name: some versions of Prisma used another name.
            Engine::Postgres => vec![Step::sql(
                "DO $$ DECLARE found text; BEGIN FOR found IN SELECT conname FROM pg_constraint \
                 WHERE contype = 'f' AND conrelid = '\"AuditLog\"'::regclass AND confrelid = '\"User\"'::regclass \
                 LOOP EXECUTE format('ALTER TABLE \"AuditLog\" DROP CONSTRAINT %I', found); END LOOP; END $$",
            )],
            Engine::Sqlite => rebuild(Rebuild::of("AuditLog").without_constraint(FOREIGN_KEY)),
        }
    }

    /// Fails if the log contains actors who are not users, which the old foreign key does not allow.
    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => vec![
                // Checked first, so that nothing changes if it must fail.
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

/// Keeps the column and the trigger of the tenant key.
fn rebuild(table: Rebuild) -> Vec<Step> {
    let mut steps = table.column("\"tenantId\" TEXT DEFAULT '' NOT NULL", "old.\"tenantId\"").steps();
    steps.push(Step::sql(AUDIT_LOG_TRIGGER));
    steps
}
