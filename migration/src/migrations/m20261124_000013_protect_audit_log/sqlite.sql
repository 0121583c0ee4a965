-- Holds a row only within a transaction that removes or erases.
CREATE TABLE rylie_audit_keeper (
    task TEXT NOT NULL PRIMARY KEY
)
-- statement
-- What the database itself completes passes once.
CREATE TRIGGER "AuditLog_no_update" BEFORE UPDATE ON "AuditLog"
WHEN NOT (OLD.position IS NULL AND NEW.position IS NOT NULL AND NEW.id = OLD.id AND NEW."userId" IS OLD."userId" AND NEW.action IS OLD.action
    AND NEW.resource IS OLD.resource AND NEW."resourceId" IS OLD."resourceId" AND NEW.details IS OLD.details
    AND NEW."ipAddress" IS OLD."ipAddress" AND NEW."userAgent" IS OLD."userAgent" AND NEW."createdAt" IS OLD."createdAt"
    AND NEW."onBehalfOf" IS OLD."onBehalfOf" AND NEW."correlationId" IS OLD."correlationId"
    AND NEW.position = (SELECT position FROM rylie_audit_pending WHERE record_id = OLD.id) AND OLD."tenantId" IN ('', NEW."tenantId"))
    AND NOT EXISTS (SELECT 1 FROM rylie_audit_keeper WHERE task = 'erasure')
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
-- statement
CREATE TRIGGER "AuditLog_no_delete" BEFORE DELETE ON "AuditLog"
WHEN NOT EXISTS (SELECT 1 FROM rylie_audit_keeper WHERE task = 'retention')
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_batch_no_update" BEFORE UPDATE ON rylie_audit_batch
WHEN NOT EXISTS (SELECT 1 FROM rylie_audit_keeper WHERE task = 'retention')
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_batch_no_delete" BEFORE DELETE ON rylie_audit_batch
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_tenant_no_update" BEFORE UPDATE ON rylie_audit_tenant
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_tenant_no_delete" BEFORE DELETE ON rylie_audit_tenant
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_leaf_no_update" BEFORE UPDATE ON rylie_audit_leaf
WHEN NOT EXISTS (SELECT 1 FROM rylie_audit_keeper WHERE task = 'erasure')
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_leaf_no_delete" BEFORE DELETE ON rylie_audit_leaf
WHEN NOT EXISTS (SELECT 1 FROM rylie_audit_keeper WHERE task = 'retention')
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
-- `INSERT OR REPLACE` deletes what is in its way, by key or by rowid, and fires no trigger for it.
CREATE TRIGGER "AuditLog_no_replace" BEFORE INSERT ON "AuditLog"
WHEN EXISTS (SELECT 1 FROM "AuditLog" WHERE id = NEW.id OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_batch_no_replace" BEFORE INSERT ON rylie_audit_batch
WHEN EXISTS (SELECT 1 FROM rylie_audit_batch WHERE batch = NEW.batch OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_tenant_no_replace" BEFORE INSERT ON rylie_audit_tenant
WHEN EXISTS (SELECT 1 FROM rylie_audit_tenant WHERE (batch = NEW.batch AND number = NEW.number) OR (tenant = NEW.tenant AND batch = NEW.batch) OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END
-- statement
CREATE TRIGGER "rylie_audit_leaf_no_replace" BEFORE INSERT ON rylie_audit_leaf
WHEN EXISTS (SELECT 1 FROM rylie_audit_leaf WHERE (batch = NEW.batch AND number = NEW.number) OR record_id = NEW.record_id OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the seals of the audit log are only added to'); END