-- One row for each login that has a right on a table of the base, or would have one on tables to come: as JSON. Superusers see
-- everything and lose nothing; our own roles are left out. `$base` are the tables, `$walled` those with row-level security.
WITH base AS (
    SELECT c.oid, c.relname::text AS name, c.relowner, c.relacl, c.relname IN ($walled) AS walled
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ($base)
), granted AS (
    SELECT b.name, b.walled, b.relowner, e.grantee, e.privilege_type AS privilege, NULL::text AS on_column
    FROM base b, aclexplode(coalesce(b.relacl, acldefault('r', b.relowner))) e
    UNION ALL
    SELECT b.name, b.walled, b.relowner, e.grantee, e.privilege_type, a.attname::text
    FROM base b JOIN pg_attribute a ON a.attrelid = b.oid AND a.attnum > 0 AND NOT a.attisdropped, aclexplode(a.attacl) e
    UNION ALL
    SELECT b.name, b.walled, b.relowner, r.oid, v.privilege, NULL
    FROM base b, (VALUES ('pg_read_all_data', 'SELECT'), ('pg_write_all_data', 'INSERT'), ('pg_write_all_data', 'UPDATE'),
        ('pg_write_all_data', 'DELETE')) AS v (role, privilege) JOIN pg_roles r ON r.rolname = v.role
    UNION ALL
    SELECT NULL, false, d.defaclrole, e.grantee, e.privilege_type, NULL
    FROM pg_default_acl d, aclexplode(d.defaclacl) e
    WHERE d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, 'public'::regnamespace) AND e.grantee NOT IN (0, d.defaclrole)
), login AS (
    SELECT r.oid, r.rolname::text AS name, r.rolbypassrls FROM pg_roles r
    WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, current_database(), 'CONNECT')
    AND r.rolname NOT IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors', 'rylie_sealer', 'rylie_auditor')
    -- A login for backups, of this or of another database of the server. Its right to read is the server's, not the old service's.
    AND NOT (r.rolbypassrls AND EXISTS (
        SELECT FROM pg_auth_members m JOIN pg_roles reads ON reads.oid = m.roleid WHERE m.member = r.oid AND reads.rolname = 'pg_read_all_data'
    ) AND NOT EXISTS (SELECT FROM base b WHERE b.relowner = r.oid) AND NOT EXISTS (SELECT FROM granted g WHERE g.grantee = r.oid))
    AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polname = ('rylie_reader_' || r.rolname)::name)
    AND NOT (NOT r.rolinherit AND EXISTS (
        SELECT FROM pg_auth_members m JOIN pg_roles door ON door.oid = m.roleid WHERE m.member = r.oid AND door.rolname IN ('rylie_doors', 'rylie_tenant', 'rylie_identity')
    ))
), way AS (
    SELECT l.name AS login, g.name, g.walled, g.privilege, g.on_column,
        CASE
            WHEN g.name IS NULL THEN 'default privileges of ' || pg_get_userbyid(g.relowner)
            WHEN g.grantee = 0 THEN 'PUBLIC'
            WHEN g.grantee = l.oid AND g.grantee = g.relowner THEN 'owner'
            WHEN g.grantee = l.oid THEN 'direct grant'
            WHEN pg_has_role(l.oid, g.grantee, 'USAGE') THEN 'member of ' || pg_get_userbyid(g.grantee)
            ELSE 'SET ROLE ' || pg_get_userbyid(g.grantee)
        END AS via,
        l.rolbypassrls OR coalesce((SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.oid = g.grantee), false) AS exempt
    FROM login l JOIN granted g ON g.grantee = 0 OR pg_has_role(l.oid, g.grantee,
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
        OR pg_has_role(l.oid, g.grantee, 'USAGE')
    WHERE g.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    AND coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = g.grantee), '')
        NOT IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors', 'rylie_sealer', 'rylie_auditor')
), commands AS (
    SELECT login, name, privilege || CASE WHEN bool_or(on_column IS NULL) THEN ''
        ELSE ' (' || string_agg(DISTINCT quote_ident(on_column), ', ') || ')' END AS command
    FROM way GROUP BY login, name, privilege
), tables AS (
    SELECT login, coalesce(name, 'tables to come') || ': ' || string_agg(command, ', ' ORDER BY command) AS rights
    FROM commands GROUP BY login, name
)
SELECT jsonb_build_object(
    'login', login,
    'via', (SELECT jsonb_agg(DISTINCT w.via) FROM way w WHERE w.login = l.login),
    'rights', (SELECT jsonb_agg(t.rights ORDER BY t.rights) FROM tables t WHERE t.login = l.login),
    'loses_at_finish', (SELECT coalesce(jsonb_agg(DISTINCT w.name), '[]') FROM way w WHERE w.login = l.login AND w.walled AND NOT w.exempt)
)::text
FROM (SELECT DISTINCT login FROM way) l ORDER BY login
