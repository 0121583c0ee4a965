-- Objects that no migration made and that depend on columns, tables, sequences and functions that a reversal drops. All `$names` are
-- lists of literals.
WITH going AS (
    SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname IN ($own)
), dropped (class, oid, part) AS (
    SELECT 'pg_class'::regclass, c.oid, a.attnum::int FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
    WHERE c.relnamespace = 'public'::regnamespace AND (c.relname::text, a.attname::text) IN ($columns)
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, 0 FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ($relations)
    UNION ALL
    SELECT 'pg_type'::regclass, c.reltype, 0 FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relname IN ($relations) AND c.reltype <> 0
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 0 FROM pg_proc p
    WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN ($functions)
)
SELECT DISTINCT regexp_replace(pg_describe_object(d.classid, d.objid, d.objsubid), '^rule "?_RETURN"? on ', '')
FROM dropped JOIN pg_depend d ON d.refclassid = dropped.class AND d.refobjid = dropped.oid
    AND (dropped.part = 0 OR d.refobjsubid = dropped.part)
WHERE $how AND NOT CASE d.classid
    WHEN 'pg_policy'::regclass THEN EXISTS (SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polname ~ '^rylie_')
    WHEN 'pg_trigger'::regclass THEN EXISTS (SELECT FROM pg_trigger t WHERE t.oid = d.objid
        AND (t.tgisinternal OR t.tgname IN ($triggers) OR t.tgrelid IN (SELECT oid FROM going)))
    WHEN 'pg_constraint'::regclass THEN EXISTS (SELECT FROM pg_constraint c WHERE c.oid = d.objid
        AND (c.contype = 'n' OR c.conname IN ($constraints) OR c.conrelid IN (SELECT oid FROM going)))
    WHEN 'pg_proc'::regclass THEN EXISTS (SELECT FROM pg_proc p WHERE p.oid = d.objid AND p.proname ~ '^rylie_')
    WHEN 'pg_attrdef'::regclass THEN EXISTS (
        SELECT FROM pg_attrdef f JOIN pg_class c ON c.oid = f.adrelid JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
        WHERE f.oid = d.objid AND c.relnamespace = 'public'::regnamespace AND (c.relname::text, a.attname::text) IN ($made)
    )
    WHEN 'pg_class'::regclass THEN EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid
        AND (c.relname IN ($indexes) OR EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid IN (SELECT oid FROM going))))
    ELSE false
END
ORDER BY 1
