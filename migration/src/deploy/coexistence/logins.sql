-- One row for each login that has a right on a table of the base, or would have one on tables to come: as JSON. Superusers see
-- everything and lose nothing; our own roles (`$ours`) and provisioned logins are left out. `$base` are the tables, `$walled`
-- those with row-level security.
WITH RECURSIVE base AS (
    SELECT c.oid, c.relname::text AS name, c.relowner, c.relacl, c.relname IN ($walled) AS walled
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ($base)
), view_of AS (
    -- A view reads as its owner, whoever asks, and so does a view of that view.
    SELECT v.oid AS view, v.relowner AS reads_as, b.oid AS base
    FROM base b JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = b.oid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class
    WHERE v.relkind IN ('v', 'm') AND v.relname !~ '^rylie_' AND coalesce(v.reloptions::text, '') !~ 'security_invoker=(true|on|yes|1)'
    UNION
    SELECT v.oid, o.reads_as, o.base
    FROM view_of o JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.view AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class AND v.oid <> o.view AND v.relkind IN ('v', 'm')
), granted AS (
    SELECT b.name, b.walled, b.relowner, e.grantee, e.privilege_type AS privilege, NULL::text AS on_column, NULL::text AS through, NULL::oid AS reads_as
    FROM base b, aclexplode(coalesce(b.relacl, acldefault('r', b.relowner))) e
    UNION ALL
    SELECT b.name, b.walled, b.relowner, e.grantee, e.privilege_type, NULL,
        CASE v.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || v.oid::regclass, o.reads_as
    FROM view_of o JOIN base b ON b.oid = o.base JOIN pg_class v ON v.oid = o.view, aclexplode(coalesce(v.relacl, acldefault('r', v.relowner))) e
    UNION ALL
    SELECT b.name, b.walled, b.relowner, e.grantee, 'SELECT', NULL, 'function ' || p.oid::regprocedure, p.proowner
    FROM pg_proc p JOIN base b ON position('"' || b.name || '"' IN pg_get_functiondef(p.oid)) > 0, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) e
    WHERE p.prosecdef AND p.prokind IN ('f', 'p') AND p.proname !~ '^rylie_' AND p.pronamespace <> 'pg_catalog'::regnamespace AND e.grantee <> 0
    UNION ALL
    SELECT b.name, b.walled, b.relowner, e.grantee, e.privilege_type, a.attname::text, NULL, NULL
    FROM base b JOIN pg_attribute a ON a.attrelid = b.oid AND a.attnum > 0 AND NOT a.attisdropped, aclexplode(a.attacl) e
    UNION ALL
    SELECT b.name, b.walled, b.relowner, r.oid, v.privilege, NULL, NULL, NULL
    FROM base b, (VALUES ('pg_read_all_data', 'SELECT'), ('pg_write_all_data', 'INSERT'), ('pg_write_all_data', 'UPDATE'),
        ('pg_write_all_data', 'DELETE')) AS v (role, privilege) JOIN pg_roles r ON r.rolname = v.role
    UNION ALL
    SELECT NULL, false, d.defaclrole, e.grantee, e.privilege_type, NULL, NULL, NULL
    FROM pg_default_acl d, aclexplode(d.defaclacl) e
    WHERE d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, 'public'::regnamespace) AND e.grantee NOT IN (0, d.defaclrole)
), login AS (
    SELECT r.oid, r.rolname::text AS name, r.rolbypassrls FROM pg_roles r
    WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, current_database(), 'CONNECT')
    AND r.rolname NOT IN ($ours)
    -- A login for backups, of this or of another database of the server. Its right to read is the server's, not the old service's.
    AND NOT (r.rolbypassrls AND EXISTS (
        SELECT FROM pg_auth_members m JOIN pg_roles reads ON reads.oid = m.roleid WHERE m.member = r.oid AND reads.rolname = 'pg_read_all_data'
    ) AND NOT EXISTS (SELECT FROM base b WHERE b.relowner = r.oid) AND NOT EXISTS (SELECT FROM granted g WHERE g.grantee = r.oid))
    AND NOT $provisioned
), way AS (
    SELECT l.name AS login, g.name, g.walled, g.privilege, g.on_column,
        CASE
            WHEN g.through IS NOT NULL THEN g.through
            WHEN g.name IS NULL THEN 'default privileges of ' || pg_get_userbyid(g.relowner)
            WHEN g.grantee = 0 THEN 'PUBLIC'
            WHEN g.grantee = l.oid AND g.grantee = g.relowner THEN 'owner'
            WHEN g.grantee = l.oid THEN 'direct grant'
            WHEN pg_has_role(l.oid, g.grantee, 'USAGE') THEN 'member of ' || pg_get_userbyid(g.grantee)
            ELSE 'SET ROLE ' || pg_get_userbyid(g.grantee)
        END AS via,
        g.through IS NULL AND l.rolbypassrls
            OR coalesce((SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.oid = coalesce(g.reads_as, g.grantee)), false) AS exempt,
        g.through IS NULL AND g.name IS NOT NULL AND (NOT g.walled OR g.privilege IN ('TRUNCATE', 'TRIGGER')) AS stays, g.grantee
    FROM login l JOIN granted g ON g.grantee = 0 OR pg_has_role(l.oid, g.grantee,
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
        OR pg_has_role(l.oid, g.grantee, 'USAGE')
    WHERE g.privilege IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
    AND coalesce((SELECT r.rolname FROM pg_roles r WHERE r.oid = g.grantee), '')
        NOT IN ($ours)
), commands AS (
    SELECT login, name, privilege || CASE WHEN bool_or(on_column IS NULL) THEN ''
        ELSE ' (' || string_agg(DISTINCT quote_ident(on_column), ', ') || ')' END AS command
    FROM way GROUP BY login, name, privilege
), tables AS (
    SELECT login, coalesce(name, 'tables to come') || ': ' || string_agg(command, ', ' ORDER BY command) AS rights
    FROM commands GROUP BY login, name
), staying AS (
    -- Row-level security covers neither TRUNCATE and TRIGGER nor the tables without tenant key.
    SELECT w.login, w.name, w.grantee, string_agg(DISTINCT w.privilege, ', ' ORDER BY w.privilege) AS commands
    FROM way w JOIN base b ON b.name = w.name WHERE w.stays AND w.grantee <> b.relowner AND pg_get_userbyid(w.grantee) !~ '^pg_' GROUP BY w.login, w.name, w.grantee
)
SELECT jsonb_build_object(
    'login', login,
    'via', (SELECT jsonb_agg(DISTINCT w.via) FROM way w WHERE w.login = l.login),
    'rights', (SELECT jsonb_agg(t.rights ORDER BY t.rights) FROM tables t WHERE t.login = l.login),
    'keeps_after_finish', (SELECT coalesce(jsonb_agg(format('REVOKE %s ON %I FROM %s', s.commands, s.name,
        CASE s.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(s.grantee)) END) ORDER BY s.name, s.grantee), '[]')
        FROM staying s WHERE s.login = l.login),
    'loses_at_finish', (SELECT coalesce(jsonb_agg(DISTINCT w.name), '[]') FROM way w WHERE w.login = l.login AND w.walled AND NOT w.exempt)
)::text
FROM (SELECT DISTINCT login FROM way) l ORDER BY login
