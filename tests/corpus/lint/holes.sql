-- index-not-concurrently
CREATE UNIQUE INDEX ON public."User" USING btree (lower(email)) WHERE email IS NOT NULL;

-- concurrently-in-transaction
START TRANSACTION; DROP INDEX CONCURRENTLY IF EXISTS i; COMMIT;

-- reindex-not-concurrently
REINDEX (VERBOSE) DATABASE;

-- foreign-key-validated-at-once
ALTER TABLE "Task" ADD FOREIGN KEY ("requestId", "tenantId") REFERENCES "Request" (id, "tenantId") ON DELETE CASCADE;

-- check-validated-at-once
BEGIN; ALTER TABLE "Task" ADD COLUMN a int, ADD CHECK (a > 0); COMMIT;

-- not-null-with-scan
ALTER TABLE "Task" ADD CONSTRAINT c CHECK (title IS NOT NULL OR deleted) NOT VALID; ALTER TABLE "Task" VALIDATE CONSTRAINT c; ALTER TABLE "Task" ALTER title SET NOT NULL;

-- not-null-with-scan
ALTER TABLE "Task" ADD CONSTRAINT c CHECK (title IS NOT NULL) NOT VALID; ALTER TABLE "Task" ALTER title SET NOT NULL;

-- unique-with-scan
ALTER TABLE "Task" ADD COLUMN code text UNIQUE;

-- volatile-default
ALTER TABLE "Task" ADD COLUMN at timestamp(3) DEFAULT clock_timestamp();

-- volatile-default
ALTER TABLE "Task" ADD COLUMN key text NOT NULL DEFAULT 'k' || random()::text;

-- change-of-type
ALTER TABLE "Task" ALTER COLUMN title SET DATA TYPE text USING title::text;

-- numbered-column
ALTER TABLE "Task" ADD COLUMN number bigserial;

-- vacuum-full
VACUUM (FULL, ANALYZE) "Task";

-- vacuum-full
CLUSTER "Task" USING "Task_pkey";

-- change-without-batches
UPDATE "User" SET role = 'USER';

-- change-without-batches
DELETE FROM "AuditLog" WHERE "createdAt" < now() - interval '1 year';

-- backfill-with-schema-change
DO $$ BEGIN ALTER TABLE "Task" ADD COLUMN note text; UPDATE "Task" SET note = title; END $$;

-- drop-column
DO $do$ BEGIN EXECUTE $q$ALTER TABLE "User" DROP COLUMN "apiKey"$q$; END $do$;

-- rename-object
ALTER TYPE "UserRole" RENAME VALUE 'ADMIN' TO 'BOSS';

-- varchar-with-limit
CREATE TABLE rylie_x (id text PRIMARY KEY, a character varying(3));

-- serial
CREATE TABLE rylie_x (id text PRIMARY KEY, a serial);

-- integer-key
CREATE TABLE rylie_x (id int4, a text, PRIMARY KEY (id));

-- tenant-table-without-key
CREATE TABLE "Invoice" AS SELECT * FROM "Request";

-- tenant-table-without-policy
CREATE TABLE "Invoice" (id text PRIMARY KEY, "tenantId" text NOT NULL);

-- tenant-table-without-index
CREATE TABLE "Invoice" (id text PRIMARY KEY, "tenantId" text NOT NULL, UNIQUE (id, "tenantId"));

-- tenant-table-without-row-security
CREATE TABLE "Invoice" (id text PRIMARY KEY, "tenantId" text NOT NULL); ALTER TABLE "Invoice" ENABLE ROW LEVEL SECURITY;

-- audit-log-cascade
ALTER TABLE "AuditLog" ADD COLUMN "agencyId" text REFERENCES "Agency" (id) ON DELETE SET NULL;

-- audit-log-grant
GRANT ALL PRIVILEGES ON TABLE public."AuditLog" TO app;

-- audit-log-grant
GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO app;

-- audit-log-grant
GRANT UPDATE (details) ON "AuditLog" TO app;

-- grant-to-public
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;

-- grant-to-public
GRANT EXECUTE ON FUNCTION f() TO public;

-- view-without-security-invoker
CREATE VIEW v WITH (security_barrier) AS SELECT * FROM "User";

-- view-without-security-invoker
CREATE VIEW v WITH (security_invoker = false) AS SELECT * FROM "User";

-- view-without-security-invoker
ALTER VIEW v SET (security_invoker = off);

-- definer-without-search-path
ALTER FUNCTION f() SECURITY DEFINER;

-- definer-without-search-path
CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET work_mem = '1MB' AS $$ BEGIN END $$;

-- row-security-off
ALTER TABLE "Task" NO FORCE ROW LEVEL SECURITY;

-- triggers-off
SET session_replication_role = replica;

-- triggers-off
SET LOCAL session_replication_role TO 'replica';

-- open-policy
CREATE POLICY p ON "Task" FOR SELECT TO rylie_tenant USING ("userId" = current_user);

-- open-policy
CREATE POLICY p ON "Task" TO PUBLIC USING (true);

-- open-policy
ALTER POLICY rylie_tenant ON "Task" USING (true);

-- drop-policy
DROP POLICY rylie_tenant ON "AuditLog";

-- role-past-policies
CREATE USER app LOGIN SUPERUSER;

-- lock-table
LOCK "Task";

-- truncate-cascade
TRUNCATE TABLE ONLY "Agency" RESTART IDENTITY CASCADE;
