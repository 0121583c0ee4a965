DROP TRIGGER "AuditLog_no_update"
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
DROP TRIGGER "AuditLog_complete_tenant"
-- statement
DROP TRIGGER "AuditLog_complete"
-- statement
DROP INDEX "AuditLog_erasures_idx"
-- statement
CREATE UNIQUE INDEX rylie_audit_pending_record ON rylie_audit_pending (record_id)
-- statement
CREATE INDEX "AuditLog_resource_idx" ON "AuditLog" (resource)
-- statement
CREATE INDEX "AuditLog_action_idx" ON "AuditLog" (action)
