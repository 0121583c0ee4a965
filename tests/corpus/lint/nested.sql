-- rylie-lint: allow(nothing) because of a test
CREATE TABLE t (id text PRIMARY KEY, "tenantId" text); DO $$ BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN b int'; END $$;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RETURN (SELECT (((1)))); END $f$;
