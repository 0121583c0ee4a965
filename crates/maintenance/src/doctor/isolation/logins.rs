//! Logins and roles that pass the policies.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const SUPERUSERS: CheckSpec = postgres(
    "isolation.superusers",
    "A superuser passes every policy, and its password opens every tenant.",
    "SELECT CASE WHEN m.member IS NOT NULL THEN 'critical' ELSE 'warning' END, 'login ' || quote_ident(r.rolname), \
       'is a superuser' || CASE WHEN m.member IS NOT NULL THEN ', and serves units' ELSE '' END, 'ALTER ROLE ' || quote_ident(r.rolname) || ' NOSUPERUSER', 'none; from its next statement on' \
     FROM pg_roles r LEFT JOIN (SELECT DISTINCT m.member FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE g.rolname = 'rylie_doors') m ON m.member = r.oid \
     WHERE r.rolsuper AND r.rolcanlogin AND r.oid <> 10",
)
.healthy("the only superuser is the server's first")
.fix("ALTER ROLE … NOSUPERUSER", "none; from its next statement on");

/// A login for backups reads everything and belongs to `pg_read_all_data`; `rylie roles provision --backup` creates it.
pub(super) const BYPASS: CheckSpec = postgres(
    "isolation.bypass-logins",
    "A login is exempt from row-level security, and reads every tenant's rows.",
    "SELECT 'critical', 'login ' || quote_ident(r.rolname), 'has BYPASSRLS, and is no login for backups', 'ALTER ROLE ' || quote_ident(r.rolname) || ' NOBYPASSRLS', 'none; from its next statement on' \
     FROM pg_roles r WHERE r.rolbypassrls AND NOT r.rolsuper AND (r.rolcanlogin OR r.rolname ~ '^rylie_' OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid)) \
       AND NOT (EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname = 'pg_read_all_data') \
         AND NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid AND g.rolname <> 'pg_read_all_data')) \
     UNION ALL SELECT CASE WHEN n > 1 THEN 'warning' ELSE 'ok' END, 'login ' || name, \
       CASE WHEN n > 1 THEN 'is one of ' || n || ' logins that read every row, as logins for backups do' ELSE 'only ' || name || ', the login for backups, is exempt from row-level security' END, \
       'if it makes no backups: ALTER ROLE ' || name || ' NOBYPASSRLS', 'none; from its next statement on' \
     FROM (SELECT quote_ident(r.rolname) AS name, count(*) OVER () AS n FROM pg_roles r WHERE r.rolcanlogin AND r.rolbypassrls AND NOT r.rolsuper AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE') \
       AND EXISTS (SELECT FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = current_database() AND a.grantee = r.oid)) b",
)
.healthy("only logins for backups are exempt from row-level security")
.fix("ALTER ROLE … NOBYPASSRLS", "none; from its next statement on");

/// A login that inherits from a unit's role passes by its policies without assuming it. The tables' owner and the members
/// of its role work on the schema and serve no unit; a provisioned login inherits nothing, so a membership in the owner's
/// role is a finding there. The owner of another database is no login of this service.
pub(super) const SERVICE: CheckSpec = postgres(
    "isolation.service-logins",
    "A login of the service has rights that pass the isolation layers.",
    "WITH RECURSIVE reach(login, role, is_direct) AS (SELECT r.oid, m.roleid, true FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid WHERE r.rolcanlogin AND NOT r.rolsuper \
       UNION SELECT reach.login, m.roleid, false FROM reach JOIN pg_roles d ON d.oid = reach.role AND d.rolname <> 'rylie_doors' JOIN pg_auth_members m ON m.member = reach.role), \
     owner AS (SELECT relowner AS oid FROM pg_class WHERE oid = to_regclass('public.\"User\"')), \
     operators AS (SELECT r.oid FROM pg_roles r, owner WHERE r.oid = owner.oid OR r.rolinherit AND pg_has_role(r.oid, owner.oid, 'MEMBER')), \
     elsewhere AS (SELECT s.refobjid AS oid FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o' AND s.classid = 'pg_class'::regclass \
       AND s.dbid NOT IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))), \
     serves AS (SELECT reach.login FROM reach JOIN pg_roles g ON g.oid = reach.role WHERE g.rolname = 'rylie_doors') \
     SELECT 'critical', 'login ' || quote_ident(r.rolname), w.what, w.fix, 'none; from its next statement on' \
     FROM pg_roles r, LATERAL (\
       SELECT 'inherits from ' || quote_ident(g.rolname) || ', and passes by its policies without a unit' AS what, \
           CASE WHEN EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = g.oid) THEN 'REVOKE ' || quote_ident(g.rolname) || ' FROM ' || quote_ident(r.rolname) END AS fix \
         FROM pg_roles g WHERE g.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') AND pg_has_role(r.oid, g.oid, 'USAGE') \
           AND r.oid <> coalesce((SELECT oid FROM owner), 0) AND NOT r.rolcreaterole \
       UNION ALL SELECT 'may assume units'' roles, and owns tables or may become their owner', CASE WHEN is_direct THEN 'REVOKE ' || quote_ident(g.rolname) || ' FROM ' || quote_ident(r.rolname) END \
         FROM reach JOIN owner ON owner.oid = reach.role JOIN pg_roles g ON g.oid = reach.role WHERE reach.login = r.oid AND r.oid IN (SELECT login FROM serves) AND r.oid NOT IN (SELECT oid FROM operators) \
       UNION ALL SELECT 'serves units and may create roles', 'ALTER ROLE ' || quote_ident(r.rolname) || ' NOCREATEROLE' \
         WHERE r.oid IN (SELECT login FROM serves) AND r.rolcreaterole AND r.oid NOT IN (SELECT oid FROM operators) AND r.oid NOT IN (SELECT oid FROM elsewhere) \
       UNION ALL SELECT 'serves units and is a member of ' || quote_ident(g.rolname) || CASE WHEN g.rolsuper THEN ', a superuser' WHEN g.rolbypassrls THEN ', which is exempt from row-level security' ELSE '' END, \
           CASE WHEN is_direct THEN 'REVOKE ' || quote_ident(g.rolname) || ' FROM ' || quote_ident(r.rolname) END \
         FROM reach JOIN pg_roles g ON g.oid = reach.role WHERE reach.login = r.oid AND r.oid IN (SELECT login FROM serves) AND r.oid NOT IN (SELECT oid FROM operators) \
           AND (g.rolsuper OR g.rolbypassrls OR g.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_read_all_data', 'pg_write_all_data'))) w \
     WHERE r.rolcanlogin AND NOT r.rolsuper",
)
.healthy("no login of the service passes the isolation layers")
.needs(&[Need::Table("User")])
.fix("REVOKE that role, and `rylie roles provision --app NAME`", "none; from its next statement on");

pub(super) const UNIT_ROLES: CheckSpec = postgres(
    "isolation.unit-roles",
    "A role of the units is missing or has more rights than its units need.",
    "SELECT 'critical', 'role ' || n.name, CASE WHEN r.oid IS NULL THEN 'is missing, so row-level security is not in force' ELSE concat_ws(', ', CASE WHEN r.rolsuper THEN 'is a superuser' END, \
         CASE WHEN r.rolbypassrls THEN 'is exempt from row-level security' END, CASE WHEN r.rolcreaterole THEN 'may create roles' END, CASE WHEN r.rolcanlogin THEN 'may log in' END, \
         CASE WHEN r.rolcreatedb THEN 'may create databases' END, CASE WHEN r.rolreplication THEN 'may replicate' END, CASE WHEN m.roles IS NOT NULL THEN 'is a member of ' || m.roles END) END, \
       CASE WHEN r.oid IS NOT NULL THEN 'ALTER ROLE ' || n.name || ' NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION NOLOGIN' END, 'none; from its next statement on' \
     FROM (VALUES ('rylie_tenant'), ('rylie_identity'), ('rylie_platform')) n(name) LEFT JOIN pg_roles r ON r.rolname = n.name \
       LEFT JOIN LATERAL (SELECT string_agg(quote_ident(g.rolname), ', ') AS roles FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid) m ON true \
     WHERE r.oid IS NULL OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcanlogin OR r.rolcreatedb OR r.rolreplication OR m.roles IS NOT NULL \
     UNION ALL SELECT 'critical', 'role rylie_doors', 'has members, and none of them may log in, so no service can connect', NULL, NULL \
     WHERE EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE g.rolname = 'rylie_doors' AND m.member <> coalesce((SELECT relowner FROM pg_class WHERE oid = to_regclass('public.\"User\"')), 0)) \
       AND NOT EXISTS (SELECT FROM pg_roles l JOIN pg_roles g ON g.rolname = 'rylie_doors' WHERE l.rolcanlogin \
         AND l.oid <> coalesce((SELECT relowner FROM pg_class WHERE oid = to_regclass('public.\"User\"')), 0) \
         AND CASE WHEN l.rolsuper THEN EXISTS (SELECT FROM pg_auth_members m WHERE m.member = l.oid AND m.roleid = g.oid) ELSE pg_has_role(l.oid, g.oid, 'MEMBER') END)",
)
.healthy("the roles of the units exist and have no attribute of their own")
.fix("rylie migrate deploy as a superuser, or an owner who may create roles", "none");

/// `rylie_logins` records what `rylie roles provision` created. From PostgreSQL 16 on, a membership may lack the option
/// to assume the role.
pub(super) const PROVISIONED: CheckSpec = postgres(
    "isolation.provisioned-logins",
    "A login that the service or its operation uses lost what it needs.",
    "WITH take AS (SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END AS right_, \
       CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END AS options), \
     closed AS (SELECT g.oid, g.rolname FROM pg_roles g JOIN pg_roles d ON d.rolname = 'rylie_doors' WHERE g.rolname IN ('rylie_tenant', 'rylie_identity') AND NOT pg_has_role(d.oid, g.oid, 'MEMBER')), \
     lost AS (SELECT l.login, string_agg(quote_ident(g.rolname), ', ' ORDER BY g.rolname) AS roles FROM rylie_logins l JOIN pg_roles r ON r.rolname = l.login \
       JOIN pg_roles g ON g.rolname IN ('rylie_tenant', 'rylie_identity') AND l.kind IN ('app', 'sealer') OR g.rolname = 'rylie_sealer' AND l.kind = 'sealer' \
       CROSS JOIN take WHERE NOT pg_has_role(r.oid, g.oid, take.right_) AND (g.rolname = 'rylie_sealer' OR g.oid NOT IN (SELECT oid FROM closed)) GROUP BY l.login), \
     has AS (SELECT l.login, l.kind, r.oid FROM rylie_logins l JOIN pg_roles r ON r.rolname = l.login AND r.rolcanlogin AND NOT r.rolsuper) \
     SELECT 'critical', 'login ' || quote_ident(l.login), 'was provisioned (' || l.kind || '), and ' || CASE WHEN r.oid IS NULL THEN 'does not exist' WHEN NOT r.rolcanlogin THEN 'may not log in' ELSE 'may not assume ' || lost.roles END, \
       CASE WHEN r.oid IS NULL THEN NULL WHEN NOT r.rolcanlogin THEN 'ALTER ROLE ' || quote_ident(l.login) || ' LOGIN' \
         ELSE 'GRANT ' || CASE WHEN lost.roles LIKE '%rylie_tenant%' OR lost.roles LIKE '%rylie_identity%' THEN 'rylie_doors' || CASE WHEN l.kind = 'sealer' THEN ', rylie_sealer' ELSE '' END ELSE lost.roles END \
           || ' TO ' || quote_ident(l.login) || take.options END, 'none; from its next statement on' \
     FROM rylie_logins l CROSS JOIN take LEFT JOIN pg_roles r ON r.rolname = l.login LEFT JOIN lost ON lost.login = l.login \
     WHERE r.oid IS NULL OR NOT r.rolcanlogin OR lost.login IS NOT NULL \
     UNION ALL SELECT 'critical', 'role rylie_doors', 'may not assume ' || rolname || ', so no login of the service may', 'GRANT ' || rolname || ' TO rylie_doors' || take.options, 'none; from its next statement on' FROM closed, take \
     UNION ALL SELECT 'critical', 'login ' || quote_ident(login), 'was provisioned (' || kind || '), and may not connect to this database', \
       format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), login), 'none' FROM has WHERE NOT has_database_privilege(oid, current_database(), 'CONNECT') \
     UNION ALL SELECT 'critical', 'login ' || quote_ident(login), 'was provisioned (' || kind || '), and may not use schema public', \
       format('GRANT USAGE ON SCHEMA public TO %I', login), 'none' FROM has WHERE NOT has_schema_privilege(oid, 'public', 'USAGE') \
     UNION ALL SELECT 'critical', 'login ' || quote_ident(login), 'was provisioned (' || kind || '), and may not read ' || string_agg(name, ', ' ORDER BY name), \
       format('GRANT SELECT ON %s TO %I', string_agg(name, ', ' ORDER BY name), login), 'none' \
     FROM has, unnest(ARRAY['seaql_migrations', 'rylie_migrations', 'rylie_database']) AS name \
     WHERE kind IN ('app', 'sealer') AND NOT coalesce(has_table_privilege(oid, to_regclass('public.' || name), 'SELECT'), true) GROUP BY login, kind",
)
.healthy("every provisioned login has what it needs")
.needs(&[Need::Table("rylie_logins")])
.fix("rylie roles provision, with the login's former options", "none; from its next statement on");

/// A role belongs to the whole server, and so do its memberships. A provisioned login has a policy that names it. From
/// PostgreSQL 16 on, the right to create roles gives no other one, and a membership may lack the option to assume the role.
pub(super) const UNRECORDED: CheckSpec = postgres(
    "isolation.unrecorded-logins",
    "A login that was not provisioned here may assume a role that reaches the rows of every tenant.",
    "WITH take AS (SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END AS right_), \
     base AS (SELECT relowner FROM pg_class WHERE oid = to_regclass('public.\"User\"')), \
     other AS (SELECT r.oid, r.rolname, r.rolcreaterole, \
         (SELECT string_agg(DISTINCT quote_ident(d.datname), ', ') FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid AND d.datname <> current_database() \
           WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid AND s.classid IN ('pg_policy'::regclass, 'pg_class'::regclass)) AS elsewhere \
       FROM pg_roles r, base WHERE r.rolcanlogin AND NOT r.rolsuper AND NOT r.rolbypassrls AND r.oid <> base.relowner AND has_database_privilege(r.oid, current_database(), 'CONNECT') \
         AND NOT EXISTS (SELECT FROM pg_policy p WHERE r.oid = ANY (p.polroles) AND p.polcmd = 'r' AND p.polname ~ '^rylie_(login|reader)_')), \
     wide AS (SELECT u.oid, u.rolname, 1 AS rank FROM pg_roles u, base WHERE u.oid = base.relowner \
       UNION ALL SELECT u.oid, u.rolname, 2 FROM pg_roles u WHERE u.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') \
         OR NOT u.rolsuper AND u.rolbypassrls OR NOT u.rolsuper AND u.oid IN (SELECT unnest(p.polroles) FROM pg_policy p WHERE p.polname ~ '^rylie_reader_' AND pg_get_expr(p.polqual, p.polrelid) = 'true') \
       UNION ALL SELECT u.oid, u.rolname, 3 FROM pg_roles u WHERE u.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_read_all_data', 'pg_write_all_data')), \
     may AS (SELECT other.oid, string_agg(quote_ident(wide.rolname), ', ' ORDER BY wide.rank, wide.rolname) AS roles, bool_or(wide.rank = 1) AS owns, \
         string_agg(quote_ident(wide.rolname), ', ' ORDER BY wide.rolname) FILTER (WHERE EXISTS (SELECT FROM pg_auth_members m WHERE m.member = other.oid AND m.roleid = wide.oid)) AS direct \
       FROM other CROSS JOIN take JOIN wide ON wide.oid <> other.oid AND (pg_has_role(other.oid, wide.oid, take.right_) \
         OR EXISTS (SELECT FROM pg_auth_members m WHERE m.member = other.oid AND m.roleid = wide.oid AND m.admin_option)) GROUP BY other.oid) \
     SELECT 'warning', 'login ' || quote_ident(rolname), CASE WHEN owns THEN 'may become the owner of the tables' ELSE 'may assume ' || roles END \
         || ', and was not provisioned here' || coalesce('; it has rights in ' || elsewhere, ''), \
       CASE WHEN elsewhere IS NOT NULL THEN format('GRANT CONNECT ON DATABASE %1$I to each login of this database, then REVOKE CONNECT ON DATABASE %1$I FROM PUBLIC, %2$I', current_database(), rolname) \
         WHEN direct IS NOT NULL THEN format('if it needs none of that: REVOKE %s FROM %I', direct, rolname) END, \
       CASE WHEN elsewhere IS NOT NULL THEN 'none; without the grants the service cannot connect' ELSE 'none; from its next statement on' END FROM other JOIN may USING (oid) \
     UNION ALL SELECT 'warning', 'login ' || quote_ident(rolname), 'may create roles, and so may assume each one but a superuser''s', \
       format('if it administers no role: ALTER ROLE %I NOCREATEROLE', rolname), 'none; from its next statement on' \
     FROM other WHERE rolcreaterole AND oid NOT IN (SELECT oid FROM may) AND current_setting('server_version_num')::int < 160000 \
     UNION ALL SELECT 'warning', 'login ' || quote_ident(r.rolname), 'may copy the whole server by replication, and does not replicate now', \
       format('if it serves no replica: ALTER ROLE %I NOREPLICATION', r.rolname), 'none; new sessions only' \
     FROM pg_roles r WHERE r.rolcanlogin AND r.rolreplication AND NOT r.rolsuper AND NOT EXISTS (SELECT FROM pg_stat_replication s WHERE s.usesysid = r.oid)",
)
.healthy("only provisioned logins may assume roles that reach every tenant")
.needs(&[Need::Table("User")])
.fix("`rylie roles provision` if it belongs to the service; else REVOKE those roles FROM it", "none; from its next statement on");
