-- rylie-lint: allow dynamic-sql because the options of a membership depend on the server's version
DO $$
DECLARE
    wanted text;
    -- From PostgreSQL 16 on whoever makes a role is its member without being able to take it.
    newer boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
    -- The login may make roles, the tables' owner as whom we work seldom may. Until the end of this statement.
    SET LOCAL ROLE NONE;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_sealer') THEN
        BEGIN
            CREATE ROLE rylie_sealer NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- Another database of this server was quicker.
            WHEN insufficient_privilege THEN
                RETURN; -- A later deploy by somebody who may will do it.
        END;
    END IF;
    FOR wanted IN
        SELECT format('GRANT rylie_sealer TO %I', r.rolname) || CASE WHEN newer THEN ' WITH SET TRUE, INHERIT FALSE' ELSE '' END
        FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
        WHERE c.relnamespace = 'public'::regnamespace AND c.relname = 'AuditLog'
        AND NOT pg_has_role(r.oid, 'rylie_sealer', CASE WHEN newer THEN 'SET' ELSE 'MEMBER' END)
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
