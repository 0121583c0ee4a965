-- What keeps the second wall from standing, the first thing only; null if it stands. `$tables` are the walled ones; `$units` says
-- whether this login opens units.
WITH door AS (
    SELECT name, r.oid, r.rolsuper OR r.rolbypassrls AS unbound, r.rolinherit
    FROM unnest(ARRAY['rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors', 'rylie_sealer']) AS name
    LEFT JOIN pg_roles r ON r.rolname = name
), walled AS (
    SELECT c.oid, c.relname, c.relowner, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND (c.relname IN ($tables) OR EXISTS (
        -- A service's own table, made by `CreateTable`.
        SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conname = c.relname || '_tenantId_check'
    ))
)
SELECT coalesce(
    (SELECT 'role ' || name || ' does not exist' FROM door WHERE oid IS NULL ORDER BY name LIMIT 1),
    (SELECT 'role ' || name || ' is exempt from row-level security' FROM door WHERE unbound ORDER BY name LIMIT 1),
    (SELECT 'role rylie_doors inherits' FROM door WHERE name = 'rylie_doors' AND rolinherit),
    (
        SELECT 'role ' || quote_ident(r.rolname) || ' may not take ' || door.name || ': run `GRANT ' || CASE door.name WHEN 'rylie_sealer' THEN door.name ELSE 'rylie_doors' END || ' TO ' || quote_ident(r.rolname)
            || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END
            || '` as a superuser, or as who may give that role, and deploy again'
        FROM pg_roles r, door
        WHERE NOT pg_has_role(r.oid, door.oid, $take)
        AND (r.oid IN (SELECT relowner FROM walled) OR r.rolname = session_user AND $units
            -- A service's login takes the doors' roles, and not the sealer's; one may be made for tenant and identity units alone.
            AND door.name <> 'rylie_sealer' AND (door.name IN ('rylie_tenant', 'rylie_identity')
                OR NOT (SELECT bool_and(pg_has_role(r.oid, two.oid, $take)) FROM door two WHERE two.name IN ('rylie_tenant', 'rylie_identity'))))
        ORDER BY 1 LIMIT 1
    ),
    (
        SELECT 'table ' || relname || ' has no policy in force for ' || door.name
        FROM walled, door
        WHERE door.name IN ('rylie_tenant', 'rylie_platform') AND (NOT relrowsecurity OR NOT EXISTS (
            SELECT FROM pg_policy p WHERE p.polrelid = walled.oid AND p.polname = door.name AND p.polroles = ARRAY[door.oid]
        ))
        ORDER BY 1 LIMIT 1
    ),
    (
        SELECT 'table ' || relname || ' is not granted to rylie_platform'
        FROM walled, door
        WHERE door.name = 'rylie_platform' AND NOT (has_table_privilege(door.oid, walled.oid, 'SELECT') AND has_table_privilege(door.oid, walled.oid, 'INSERT'))
        ORDER BY 1 LIMIT 1
    ),
    (
        SELECT 'role rylie_platform may write to the seals of the audit log'
        FROM door WHERE door.name = 'rylie_platform' AND has_table_privilege(door.oid, 'public.rylie_audit_batch', 'INSERT')
    ),
    (
        SELECT 'role rylie_sealer may not write to the seals of the audit log'
        FROM door WHERE door.name = 'rylie_sealer' AND NOT has_table_privilege(door.oid, 'public.rylie_audit_batch', 'INSERT')
    ),
    (
        SELECT 'the policies of table ' || relname || ' are not forced'
        FROM walled WHERE NOT relforcerowsecurity AND (SELECT state FROM public.rylie_database) <> 'coexistence'
        ORDER BY 1 LIMIT 1
    )
)
