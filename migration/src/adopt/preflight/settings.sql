-- What the server, the database and other programs are set to, and the adoption meets. Each as a JSON document.
SELECT json_build_object(
    'id', 'read-only', 'blocking', true,
    'detail', 'this login''s sessions may not write (`default_transaction_read_only`)',
    'fix', format('run `ALTER ROLE %I RESET default_transaction_read_only` or `ALTER DATABASE %I RESET default_transaction_read_only`', session_user, current_database())
)::text
FROM pg_settings WHERE name = 'default_transaction_read_only' AND reset_val = 'on'
UNION ALL
SELECT json_build_object('id', 'read-only', 'blocking', true, 'detail', 'this server is a standby', 'fix', 'name the primary server')::text
WHERE pg_is_in_recovery()
UNION ALL
SELECT json_build_object(
    'id', 'tablespace', 'blocking', true,
    'detail', format('new tables go to the default tablespace %I, where %I may create none', t.spcname, current_user),
    'fix', format('run `GRANT CREATE ON TABLESPACE %I TO %I`', t.spcname, current_user)
)::text
FROM pg_settings s JOIN pg_tablespace t ON t.spcname = s.setting
WHERE s.name = 'default_tablespace' AND NOT has_tablespace_privilege(t.oid, 'CREATE')
UNION ALL
SELECT json_build_object(
    'id', 'row-security-off', 'blocking', true,
    'detail', format('`row_security = off` is set for %s: from the adoption on, queries on the tables of the platform fail there',
        CASE WHEN r.oid IS NULL THEN 'every login' ELSE format('login %I', r.rolname) END),
    'fix', format('run `%s RESET row_security`', CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I', current_database())
        WHEN s.setdatabase = 0 THEN format('ALTER ROLE %I', r.rolname) ELSE format('ALTER ROLE %I IN DATABASE %I', r.rolname, current_database()) END)
)::text
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
AND EXISTS (SELECT FROM unnest(s.setconfig) c WHERE c ~* '^row_security=(of?f?|f|fa|fal|fals|false|no?|0)$')
AND (r.oid IS NULL OR NOT r.rolsuper AND NOT r.rolbypassrls
    AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('public."User"') AND pg_has_role(r.oid, c.relowner, 'USAGE')))
UNION ALL
SELECT json_build_object(
    'id', 'event-triggers', 'blocking', false,
    'detail', format('event trigger %I calls %s at each change of the schema, and may refuse it', e.evtname, e.evtfoid::regproc),
    'fix', format('unless it accepts these changes, a superuser runs `ALTER EVENT TRIGGER %I DISABLE` until the adoption is done', e.evtname)
)::text
FROM pg_event_trigger e WHERE e.evtenabled IN ('O', 'A')
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
UNION ALL
SELECT json_build_object(
    'id', 'prepared-statements', 'blocking', false,
    'detail', format('%s other sessions are open: what one has prepared for all columns (`*`) fails there from the adoption on (`cached plan must not change result type`)', count(*)),
    'fix', 'restart the connection pools of the old service after the adoption, and after an undo'
)::text
FROM pg_stat_activity a WHERE a.datname = current_database() AND a.usename IS NOT NULL AND a.pid <> pg_backend_pid()
AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.application_name !~ '^rylie[/ ]'
HAVING count(*) > 0
