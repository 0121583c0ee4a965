CREATE TABLE "RequestCount" (
    "tenantId" TEXT NOT NULL,
    status TEXT NOT NULL,
    id TEXT NOT NULL PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
    requests BIGINT NOT NULL
)
-- statement
CREATE UNIQUE INDEX "RequestCount_tenantId_status_key" ON "RequestCount" ("tenantId", status)
-- statement
-- A row without a tenant gets it from another trigger, whose update then counts it.
CREATE TRIGGER "Request_count_insert" AFTER INSERT ON "Request" WHEN NOT NEW.deleted AND NEW."tenantId" <> '' BEGIN
    INSERT INTO "RequestCount" ("tenantId", status, requests) SELECT NEW."tenantId", NEW.status, 0
        WHERE NOT EXISTS (SELECT 1 FROM "RequestCount" WHERE "tenantId" = NEW."tenantId" AND status = NEW.status);
    UPDATE "RequestCount" SET requests = requests + 1 WHERE "tenantId" = NEW."tenantId" AND status = NEW.status;
END
-- statement
CREATE TRIGGER "Request_count_update" AFTER UPDATE ON "Request"
WHEN OLD."tenantId" <> NEW."tenantId" OR OLD.status <> NEW.status OR OLD.deleted <> NEW.deleted BEGIN
    INSERT INTO "RequestCount" ("tenantId", status, requests) SELECT NEW."tenantId", NEW.status, 0
        WHERE NOT NEW.deleted AND NOT EXISTS (SELECT 1 FROM "RequestCount" WHERE "tenantId" = NEW."tenantId" AND status = NEW.status);
    UPDATE "RequestCount" SET requests = requests + 1 WHERE NOT NEW.deleted AND "tenantId" = NEW."tenantId" AND status = NEW.status;
    UPDATE "RequestCount" SET requests = requests - 1 WHERE NOT OLD.deleted AND "tenantId" = OLD."tenantId" AND status = OLD.status;
    DELETE FROM "RequestCount" WHERE "tenantId" = OLD."tenantId" AND status = OLD.status AND requests = 0;
END
-- statement
CREATE TRIGGER "Request_count_delete" AFTER DELETE ON "Request" WHEN NOT OLD.deleted BEGIN
    UPDATE "RequestCount" SET requests = requests - 1 WHERE "tenantId" = OLD."tenantId" AND status = OLD.status;
    DELETE FROM "RequestCount" WHERE "tenantId" = OLD."tenantId" AND status = OLD.status AND requests = 0;
END
-- statement
INSERT INTO "RequestCount" ("tenantId", status, requests)
SELECT "tenantId", status, count(*) FROM "Request" WHERE NOT deleted AND "tenantId" <> '' GROUP BY "tenantId", status
