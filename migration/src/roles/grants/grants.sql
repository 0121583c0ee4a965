-- The rights of every role but the owner on our own tables, sequences and functions, as JSON; and those of our own roles on the
-- tables of the base. `$tables`, `$sequences`, `$functions` and `$base` are lists of names.
WITH object AS (
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, c.oid, c.relname::text AS name, c.relowner AS owner,
        c.relacl AS acl, c.relname IN ($base) AS base
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
    AND (c.relkind IN ('r', 'p') AND c.relname IN ($tables, $base) OR c.relkind = 'S' AND c.relname IN ($sequences))
    UNION ALL
    SELECT 'function', p.oid, p.oid::regprocedure::text, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)), false
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.oid::regprocedure::text IN ($functions)
), entry AS (
    SELECT o.oid, o.kind, e.grantee, e.privilege_type || CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS privilege, '' AS columns
    FROM object o, aclexplode(o.acl) e WHERE e.grantee <> o.owner
    UNION ALL
    SELECT o.oid, o.kind, e.grantee, e.privilege_type, ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) || ')'
        || CASE WHEN e.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
    FROM object o JOIN pg_attribute a ON a.attrelid = o.oid AND NOT a.attisdropped, aclexplode(a.attacl) e
    WHERE o.kind = 'table' AND e.grantee <> o.owner GROUP BY o.oid, o.kind, e.grantee, e.privilege_type, e.is_grantable
)
SELECT coalesce(json_agg(json_build_object(
    'kind', o.kind, 'name', o.name, 'base', o.base, 'role', role.name, 'alterable', pg_has_role(o.owner, 'USAGE'),
    'rights', coalesce(rights.list, '[]')
) ORDER BY o.kind, o.name, role.name), '[]')::text
FROM object o
CROSS JOIN LATERAL (
    SELECT 0::oid AS oid, 'PUBLIC' AS name WHERE NOT o.base
    UNION ALL
    SELECT r.oid, r.rolname::text FROM pg_roles r WHERE r.oid IN (SELECT e.grantee FROM entry e WHERE e.oid = o.oid AND e.kind = o.kind)
    AND (NOT o.base OR r.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors', 'rylie_sealer', 'rylie_auditor'))
) role
CROSS JOIN LATERAL (
    SELECT json_agg(e.privilege || e.columns ORDER BY e.privilege, e.columns) AS list
    FROM entry e WHERE e.oid = o.oid AND e.kind = o.kind AND e.grantee = role.oid
) rights
