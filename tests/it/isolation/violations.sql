-- Lists each gap in row-level security. `$allowed` are the tables without a tenant.
WITH walled AS (
    SELECT c.oid, c.relname::text AS name, c.relrowsecurity, c.relforcerowsecurity, a.attnum, a.attnotnull
    FROM pg_class c
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenantId' AND NOT a.attisdropped AND a.atttypid = 'text'::regtype
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname NOT IN ($allowed)
), policy AS (
    SELECT *, '("tenantId" = current_setting(''rylie.tenant''::text, true))' AS plain FROM pg_policies WHERE schemaname = 'public'
), given AS (
    SELECT table_name::text AS name, grantee::text, privilege_type::text AS privilege FROM information_schema.role_table_grants
    WHERE table_schema = 'public' AND (grantee LIKE 'rylie%' OR grantee = 'PUBLIC')
), violation AS (
    SELECT name, 'it has no "tenantId", and is not named as a table of no tenant' AS what FROM walled WHERE attnum IS NULL
    UNION ALL
    SELECT name, '"tenantId" may be null' FROM walled WHERE NOT attnotnull
    UNION ALL
    SELECT name, 'no index begins with "tenantId"' FROM walled WHERE attnum IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_index i WHERE i.indrelid = walled.oid AND i.indkey[0] = walled.attnum AND i.indisvalid AND i.indpred IS NULL
    )
    UNION ALL
    SELECT name, 'row-level security is off' FROM walled WHERE attnum IS NOT NULL AND NOT relrowsecurity
    UNION ALL
    SELECT name, 'row-level security is not forced' FROM walled WHERE attnum IS NOT NULL AND NOT relforcerowsecurity
    UNION ALL
    SELECT name, 'no policy of the plain form for rylie_tenant' FROM walled WHERE attnum IS NOT NULL AND NOT EXISTS (
        SELECT FROM policy p WHERE p.tablename = walled.name AND p.roles = '{rylie_tenant}' AND p.cmd = 'ALL'
        AND p.permissive = 'PERMISSIVE' AND p.qual = p.plain AND p.with_check = p.plain
    )
    UNION ALL
    SELECT tablename, 'policy ' || policyname || ' lets a tenant see more' FROM policy
    WHERE roles && '{rylie_tenant,public}' AND permissive = 'PERMISSIVE' AND (qual <> plain OR with_check <> plain OR with_check IS NULL)
    UNION ALL
    -- Roots derive the key; events, answers of calls that may be repeated, and counts keep it by value.
    SELECT name, 'no foreign key holds it to its parent''s tenant' FROM walled
    WHERE attnum IS NOT NULL AND name NOT IN ('Agency', 'User', 'Request', 'AuditLog', 'IdempotencyKey', 'RequestCount') AND NOT EXISTS (
        SELECT FROM pg_constraint k WHERE k.conrelid = walled.oid AND k.contype = 'f' AND k.convalidated
        AND walled.attnum = ANY (k.conkey) AND array_length(k.conkey, 1) > 1
    )
    UNION ALL
    SELECT name, grantee || ' may ' || privilege FROM given
    WHERE privilege IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')
        OR grantee = 'PUBLIC'
        OR name = 'AuditLog' AND privilege NOT IN ('SELECT', 'INSERT')
        OR grantee = 'rylie_tenant' AND name IN ('Account', 'Session', 'VerificationToken', 'SystemSettings', 'rylie_database', 'seaql_migrations')
        OR grantee IN ('rylie_tenant', 'rylie_identity') AND name LIKE 'rylie\_%'
    UNION ALL
    SELECT rolname::text, 'it is exempt from the policies, or may log in or inherit' FROM pg_roles
    WHERE rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors', 'rylie_sealer')
        AND (rolsuper OR rolbypassrls OR rolcanlogin OR rolinherit OR rolcreaterole OR rolcreatedb)
)
SELECT DISTINCT name || ': ' || what FROM violation ORDER BY 1
