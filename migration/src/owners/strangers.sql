-- What stands under a name of ours and does not belong to the tables' owner, and code of others that our statements would run. One JSON
-- document a row. `$base`, `$relations` and `$types` are lists of names.
WITH worker AS (
    -- Who owns most of the base, or who works where there is none yet.
    SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = coalesce(
        (
            SELECT c.relowner FROM pg_catalog.pg_class c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ($base)
            GROUP BY c.relowner ORDER BY count(*) DESC, c.relowner LIMIT 1
        ),
        (SELECT me.oid FROM pg_catalog.pg_roles me WHERE me.rolname = current_user)
    )
), path AS (
    -- Schemas in which a name of ours is looked for: ours, and those that sessions look into by default.
    SELECT n.oid, n.nspname = 'public' AS ours FROM pg_catalog.pg_namespace n, worker w
    WHERE n.nspname = 'public' OR n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname::text IN (
        SELECT CASE btrim(part, ' "') WHEN '$user' THEN login ELSE btrim(part, ' "') END
        FROM pg_catalog.pg_settings s, string_to_array(s.reset_val, ',') parts, unnest(parts) part,
            unnest(ARRAY[session_user::text, w.rolname::text]) login
        WHERE s.name = 'search_path'
    )
), found AS (
    SELECT CASE c.relkind WHEN 'i' THEN 'index ' WHEN 'I' THEN 'index ' WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view '
        WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' WHEN 'c' THEN 'type ' ELSE 'table ' END AS kind,
        c.oid::regclass::text AS name, c.relowner AS owner, path.ours, '' AS calls
    FROM pg_catalog.pg_class c JOIN path ON path.oid = c.relnamespace
    WHERE c.relkind <> 't' AND (c.relname ~ '^rylie_' OR c.relname IN ($relations))
    UNION ALL
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END,
        p.oid::regprocedure::text, p.proowner, path.ours, ''
    FROM pg_catalog.pg_proc p JOIN path ON path.oid = p.pronamespace
    WHERE p.proname ~ '^rylie_'
    UNION ALL
    SELECT 'type ', t.oid::regtype::text, t.typowner, path.ours, ''
    FROM pg_catalog.pg_type t JOIN path ON path.oid = t.typnamespace
    WHERE t.typrelid = 0 AND t.typcategory <> 'A' AND (t.typname ~ '^rylie_' OR t.typname IN ($types))
), stranger AS (
    SELECT r.oid FROM pg_catalog.pg_roles r, worker w WHERE NOT pg_has_role(r.oid, w.oid, 'MEMBER')
), code AS (
    -- An exact match in our schema goes before an inexact one in PostgreSQL's own.
    SELECT 'operator ' AS kind, o.oid::regoperator::text AS name, o.oprowner AS owner
    FROM pg_catalog.pg_operator o
    WHERE o.oprnamespace = 'public'::regnamespace AND o.oprowner IN (SELECT oid FROM stranger)
    AND EXISTS (SELECT FROM pg_catalog.pg_operator b WHERE b.oprname = o.oprname AND b.oprnamespace = 'pg_catalog'::regnamespace)
    UNION ALL
    SELECT 'function ', p.oid::regprocedure::text, p.proowner
    FROM pg_catalog.pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proowner IN (SELECT oid FROM stranger)
    AND EXISTS (SELECT FROM pg_catalog.pg_proc b WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace)
), part (class, oid, relation) AS (
    -- What of a table calls functions.
    SELECT 'pg_trigger'::regclass, t.oid, t.tgrelid FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, d.adrelid FROM pg_catalog.pg_attrdef d
    UNION ALL SELECT 'pg_constraint'::regclass, c.oid, c.conrelid FROM pg_catalog.pg_constraint c
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, r.ev_class FROM pg_catalog.pg_rewrite r
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, p.polrelid FROM pg_catalog.pg_policy p
    UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, i.indrelid FROM pg_catalog.pg_index i
)
SELECT json_build_object('object', kind || name, 'owner', quote_ident(r.rolname), 'expected', quote_ident(w.rolname),
    'reason', 'belongs to ' || quote_ident(r.rolname) || ' and not to ' || quote_ident(w.rolname), 'fix', CASE
        WHEN kind = 'index ' THEN 'DROP INDEX ' || name
        ELSE 'ALTER ' || upper(kind) || name || ' OWNER TO ' || quote_ident(w.rolname)
    END)::text
FROM found f JOIN pg_catalog.pg_roles r ON r.oid = f.owner, worker w
WHERE f.owner <> w.oid AND (f.ours OR f.owner IN (SELECT oid FROM stranger))
UNION ALL
SELECT json_build_object('object', kind || name, 'owner', quote_ident(r.rolname), 'expected', quote_ident(w.rolname),
    'reason', 'belongs to ' || quote_ident(r.rolname) || ' and would be called in place of PostgreSQL''s own', 'fix', 'DROP ' || upper(kind) || name)::text
FROM code c JOIN pg_catalog.pg_roles r ON r.oid = c.owner, worker w
UNION ALL
SELECT DISTINCT json_build_object('object', 'function ' || p.oid::regprocedure, 'owner', quote_ident(r.rolname), 'expected', quote_ident(w.rolname),
    'reason', 'belongs to ' || quote_ident(r.rolname) || ' and is called by table ' || c.oid::regclass || ' of ' || quote_ident(w.rolname), 'fix',
    'ALTER FUNCTION ' || p.oid::regprocedure || ' OWNER TO ' || quote_ident(w.rolname))::text
FROM worker w, pg_catalog.pg_proc p
JOIN pg_catalog.pg_roles r ON r.oid = p.proowner
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
JOIN part ON part.class = d.classid AND part.oid = d.objid
JOIN pg_catalog.pg_class c ON c.oid = part.relation
WHERE p.proowner IN (SELECT oid FROM stranger) AND c.relnamespace = 'public'::regnamespace AND c.relowner = w.oid
AND (c.relname ~ '^rylie_' OR c.relname IN ($relations))
ORDER BY 1
