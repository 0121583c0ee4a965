-- The schema `public` as one JSON document. `pg_get_…` write names as the search path wants them, so it must be `public`.
WITH relation AS (
    SELECT oid, relname, relkind, relacl, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace
)
SELECT json_build_object(
    'enums', (
        SELECT coalesce(json_object_agg(t.typname, (
            SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid
        )), '{}')
        FROM pg_type t WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'
    ),
    'tables', (
        SELECT coalesce(json_object_agg(r.relname, json_build_object(
            'columns', (
                SELECT coalesce(json_object_agg(a.attname, json_build_object(
                    'type', format_type(a.atttypid, a.atttypmod),
                    'nullable', NOT a.attnotnull,
                    'default', pg_get_expr(d.adbin, d.adrelid)
                )), '{}')
                FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
            ),
            'indexes', (
                SELECT coalesce(json_object_agg(c.relname,
                    pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (not valid)' END), '{}')
                FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = r.oid
            ),
            'constraints', (
                -- From version 18 on NOT NULL is a constraint too; it is seen at the column.
                SELECT coalesce(json_object_agg(c.conname, pg_get_constraintdef(c.oid)), '{}')
                FROM pg_constraint c WHERE c.conrelid = r.oid AND c.contype <> 'n'
            ),
            'triggers', (
                SELECT coalesce(json_object_agg(t.tgname, pg_get_triggerdef(t.oid)), '{}')
                FROM pg_trigger t WHERE t.tgrelid = r.oid AND NOT t.tgisinternal
            ),
            'policies', (
                SELECT coalesce(json_object_agg(p.polname, concat_ws(' ',
                    CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                    CASE p.polcmd WHEN '*' THEN 'FOR ALL' ELSE 'FOR ' || p.polcmd::text END,
                    'TO ' || (SELECT string_agg(CASE o WHEN 0 THEN 'PUBLIC' WHEN (SELECT relowner FROM pg_class WHERE oid = r.oid) THEN 'its owner' ELSE pg_get_userbyid(o) END, ', ' ORDER BY o) FROM unnest(p.polroles) o),
                    'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                    'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'
                )), '{}')
                FROM pg_policy p WHERE p.polrelid = r.oid
                -- The policy of a provisioned login is not the schema's.
                AND NOT (p.polcmd = 'r' AND p.polroles = ARRAY(SELECT oid FROM pg_roles WHERE p.polname IN ('rylie_login_' || rolname, 'rylie_reader_' || rolname)))
            ),
            'grants', (
                SELECT coalesce(json_object_agg(rolname, rights), '{}') FROM (
                    SELECT d.rolname, string_agg(a.privilege_type || a.columns, ', ' ORDER BY a.privilege_type, a.columns) AS rights
                    FROM (
                        SELECT e.grantee, e.privilege_type, '' AS columns FROM aclexplode(r.relacl) e
                        UNION ALL
                        SELECT e.grantee, e.privilege_type, ' (' || string_agg(quote_ident(c.attname), ', ' ORDER BY c.attname) || ')'
                        FROM pg_attribute c, aclexplode(c.attacl) e WHERE c.attrelid = r.oid GROUP BY 1, 2
                    ) a JOIN pg_roles d ON d.oid = a.grantee
                    WHERE d.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform') GROUP BY 1
                ) granted
            ),
            'row_security', CASE WHEN r.relforcerowsecurity AND r.relrowsecurity THEN 'forced' WHEN r.relrowsecurity THEN 'enabled' END
        )), '{}')
        FROM relation r WHERE r.relkind IN ('r', 'p')
        -- The record of migrations is not made by one.
        AND r.relname NOT IN ('seaql_migrations', 'rylie_migrations', 'rylie_operator_events') AND r.relname NOT LIKE 'rylie_aside_%'
    ),
    'functions', (
        SELECT coalesce(json_object_agg(p.oid::regprocedure::text, pg_get_functiondef(p.oid)), '{}')
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
    ),
    'views', (SELECT coalesce(json_agg(relname ORDER BY relname), '[]') FROM relation WHERE relkind IN ('v', 'm'))
)::text
