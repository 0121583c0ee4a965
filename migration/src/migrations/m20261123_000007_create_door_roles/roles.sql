-- A role for each door, and `rylie_doors`, through which a login may take them. It does not inherit: a direct member of
-- `rylie_platform` would have the platform's rights, and pass its policies, without ever taking the role.
DO $$
DECLARE
    door text;
    wanted text;
BEGIN
    -- The login may make roles, the tables' owner as whom we work seldom may. Until the end of this statement.
    SET LOCAL ROLE NONE;
    FOREACH door IN ARRAY ARRAY['rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = door);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT', door);
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- Another database of this server was quicker.
            WHEN insufficient_privilege THEN
                RETURN; -- A later deploy by somebody who may will do it.
        END;
    END LOOP;
    FOR wanted IN
        SELECT format('GRANT %I TO rylie_doors', name)
        FROM unnest(ARRAY['rylie_tenant', 'rylie_identity', 'rylie_platform']) AS name
        WHERE NOT pg_has_role('rylie_doors', name, 'MEMBER')
        UNION ALL
        SELECT format('GRANT rylie_doors TO %I', r.rolname)
        FROM pg_roles r
        WHERE NOT pg_has_role(r.oid, 'rylie_doors', 'MEMBER') AND (r.rolname = session_user OR r.oid IN (
            SELECT c.relowner FROM pg_class c
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
                    EXIT;
            END;
        END LOOP;
    END LOOP;
END
$$
