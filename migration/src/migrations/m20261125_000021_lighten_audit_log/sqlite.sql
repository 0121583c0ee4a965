DROP INDEX "AuditLog_action_idx"
-- statement
DROP INDEX "AuditLog_resource_idx"
-- statement
DROP INDEX rylie_audit_pending_record
-- statement
-- What says that a person was erased is looked for by every verification, and is little beside the rest.
CREATE INDEX "AuditLog_erasures_idx" ON "AuditLog" (id) WHERE action = 'SUBJECT_ERASED'
-- statement
DROP TRIGGER "AuditLog_complete"
-- statement
-- Sets the position alone where the writer knows the tenant, as ours do: no index has it, so none is written again.
CREATE TRIGGER "AuditLog_complete" AFTER INSERT ON "AuditLog" WHEN NEW."tenantId" <> '' BEGIN
    INSERT INTO rylie_audit_pending (record_id) VALUES (NEW.id);
    UPDATE "AuditLog" SET position = last_insert_rowid() WHERE rowid = NEW.rowid;
END
-- statement
CREATE TRIGGER "AuditLog_complete_tenant" AFTER INSERT ON "AuditLog" WHEN NEW."tenantId" = '' BEGIN
    INSERT INTO rylie_audit_pending (record_id) VALUES (NEW.id);
    UPDATE "AuditLog" SET position = last_insert_rowid(),
        "tenantId" = coalesce((SELECT "tenantId" FROM "User" WHERE id = NEW."userId"), 'platform')
    WHERE rowid = NEW.rowid;
END
-- statement
DROP TRIGGER "AuditLog_no_update"
-- statement
-- What the database itself completes passes once.
CREATE TRIGGER "AuditLog_no_update" BEFORE UPDATE ON "AuditLog"
WHEN NOT (OLD.position IS NULL AND NEW.position IS NOT NULL AND NEW.rowid = OLD.rowid AND NEW.id = OLD.id AND NEW."userId" IS OLD."userId"
    AND NEW.action IS OLD.action AND NEW.resource IS OLD.resource AND NEW."resourceId" IS OLD."resourceId" AND NEW.details IS OLD.details
    AND NEW."ipAddress" IS OLD."ipAddress" AND NEW."userAgent" IS OLD."userAgent" AND NEW."createdAt" IS OLD."createdAt"
    AND NEW."onBehalfOf" IS OLD."onBehalfOf" AND NEW."correlationId" IS OLD."correlationId" AND OLD."tenantId" IN ('', NEW."tenantId")
    AND EXISTS (SELECT 1 FROM rylie_audit_pending WHERE position = NEW.position AND record_id = OLD.id))
    AND NOT EXISTS (SELECT 1 FROM rylie_audit_keeper WHERE task = 'erasure')
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END
