-- Adds what a statement changed, and sometimes folds the tenant's changes into their sum: after a removal always, so that a tenant
-- without requests leaves no row. A row is never updated, and the fold skips locked rows, so no writer waits for another. In a
-- transaction with one snapshot a fold could fail, so none is tried there.
--
-- It has its writer's rights. Logins of the old service have none on the counts, and policies for them end with the coexistence. What
-- they write is not counted, and the counts are not read until then.
CREATE OR REPLACE FUNCTION public.rylie_count_requests() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    counts regclass := 'public."RequestCount"';
    tenants text[];
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        IF has_table_privilege(counts, 'TRUNCATE') THEN
            BEGIN
                TRUNCATE public."RequestCount";
            EXCEPTION WHEN object_in_use THEN
                -- The statement truncates this table as well, or a cursor reads it.
                DELETE FROM public."RequestCount";
            END;
        END IF;
        RETURN NULL;
    ELSIF row_security_active(counts) AND NOT pg_has_role('rylie_tenant', 'USAGE') AND NOT pg_has_role('rylie_platform', 'USAGE')
        OR NOT has_table_privilege(counts, 'INSERT') THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO public."RequestCount" ("tenantId", status, requests)
        SELECT "tenantId", status, count(*) FROM added WHERE NOT deleted GROUP BY 1, 2;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO public."RequestCount" ("tenantId", status, requests)
        SELECT "tenantId", status, -count(*) FROM removed WHERE NOT deleted GROUP BY 1, 2;
    ELSE
        INSERT INTO public."RequestCount" ("tenantId", status, requests)
        SELECT "tenantId", status, sum(change) FROM (
            SELECT "tenantId", status, 1 AS change FROM added WHERE NOT deleted
            UNION ALL SELECT "tenantId", status, -1 FROM removed WHERE NOT deleted) AS changes
        GROUP BY 1, 2 HAVING sum(change) <> 0;
    END IF;
    IF TG_OP <> 'DELETE' AND random() > 0.02 OR current_setting('transaction_isolation') <> 'read committed'
        OR NOT (has_table_privilege(counts, 'SELECT') AND has_table_privilege(counts, 'UPDATE') AND has_table_privilege(counts, 'DELETE')) THEN
        RETURN NULL;
    ELSIF TG_OP = 'DELETE' THEN
        tenants := ARRAY(SELECT DISTINCT "tenantId" FROM removed);
    ELSIF TG_OP = 'INSERT' THEN
        tenants := ARRAY(SELECT DISTINCT "tenantId" FROM added);
    ELSE
        tenants := ARRAY(SELECT "tenantId" FROM added UNION SELECT "tenantId" FROM removed);
    END IF;
    WITH taken AS (
        SELECT "tenantId" AS tenant, status AS kind, id AS number FROM public."RequestCount"
        WHERE "tenantId" = ANY (tenants) LIMIT 1000 FOR UPDATE SKIP LOCKED
    ), folded AS (
        DELETE FROM public."RequestCount" AS c USING taken
        WHERE c."tenantId" = tenant AND c.status = kind AND c.id = number RETURNING c."tenantId", c.status, c.requests
    )
    INSERT INTO public."RequestCount" ("tenantId", status, requests)
    SELECT "tenantId", status, least(greatest(sum(requests), -1000000000000), 1000000000000)
    FROM folded GROUP BY 1, 2 HAVING sum(requests) <> 0;
    RETURN NULL;
END $$
