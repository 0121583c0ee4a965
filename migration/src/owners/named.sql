-- Objects with these names in our schema that do not belong to the tables' owner. One JSON document a row. `$base` and `$names` are lists
-- of names.
WITH worker AS (
    SELECT coalesce(
        (
            SELECT c.relowner FROM pg_catalog.pg_class c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ($base)
            GROUP BY c.relowner ORDER BY count(*) DESC, c.relowner LIMIT 1
        ),
        (SELECT me.oid FROM pg_catalog.pg_roles me WHERE me.rolname = current_user)
    ) AS oid
), found AS (
    SELECT CASE c.relkind WHEN 'i' THEN 'index ' WHEN 'I' THEN 'index ' WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view '
        WHEN 'm' THEN 'materialized view ' WHEN 'f' THEN 'foreign table ' WHEN 'c' THEN 'type ' ELSE 'table ' END AS kind,
        c.oid::regclass::text AS name, c.relowner AS owner
    FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind <> 't' AND c.relname IN ($names)
    UNION ALL
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END, p.oid::regprocedure::text, p.proowner
    FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN ($names)
    UNION ALL
    SELECT 'type ', t.oid::regtype::text, t.typowner FROM pg_catalog.pg_type t
    WHERE t.typnamespace = 'public'::regnamespace AND t.typrelid = 0 AND t.typcategory <> 'A' AND t.typname IN ($names)
)
SELECT json_build_object('object', kind || name, 'owner', quote_ident(pg_get_userbyid(f.owner)), 'expected', quote_ident(pg_get_userbyid(w.oid)),
    'reason', 'belongs to ' || quote_ident(pg_get_userbyid(f.owner)) || ' and not to ' || quote_ident(pg_get_userbyid(w.oid)), 'fix', CASE
        WHEN kind = 'index ' THEN 'DROP INDEX ' || name
        ELSE 'ALTER ' || upper(kind) || name || ' OWNER TO ' || quote_ident(pg_get_userbyid(w.oid))
    END)::text
FROM found f, worker w WHERE f.owner <> w.oid ORDER BY 1
