-- From PostgreSQL 16 on, who makes a role may give it to others and not take it: her membership says ADMIN alone, and every role counts
-- as given to her. So each membership by which a door's role is taken is made again with SET, where the login may do that.
DO $$
DECLARE
    wanted text;
BEGIN
    IF current_setting('server_version_num')::int < 160000 OR 4 > (
        SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors')
    ) THEN
        RETURN;
    END IF;
    -- The login may give roles, the tables' owner as whom we work seldom may. Until the end of the transaction.
    SET LOCAL ROLE NONE;
    FOR wanted IN
        SELECT format('GRANT %I TO rylie_doors WITH INHERIT FALSE, SET TRUE', name)
        FROM unnest(ARRAY['rylie_tenant', 'rylie_identity', 'rylie_platform']) AS name
        WHERE NOT pg_has_role('rylie_doors', name, 'SET')
        UNION ALL
        SELECT format('GRANT rylie_doors TO %I WITH INHERIT FALSE, SET TRUE', r.rolname)
        FROM pg_catalog.pg_roles r
        WHERE NOT pg_has_role(r.oid, 'rylie_doors', 'SET') AND (r.rolname = session_user OR r.oid IN (
            SELECT c.relowner FROM pg_catalog.pg_class c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ('User', 'Request', 'AuditLog')
        ))
    LOOP
        FOR attempt IN 1..20 LOOP
            BEGIN
                EXECUTE wanted;
                EXIT;
            EXCEPTION
                -- XX000: "tuple concurrently updated", by another database's deploy.
                WHEN duplicate_object OR unique_violation OR internal_error THEN
                    PERFORM pg_sleep(0.01 * attempt);
                WHEN insufficient_privilege THEN
                    EXIT; -- Somebody else gave the role away; what is missing is told.
            END;
        END LOOP;
    END LOOP;
END
$$
