CREATE OR REPLACE FUNCTION public.rylie_is_foreign_role()
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    -- Whether the current role is none of ours: no role of a door, no role that inherits one, no login that was provisioned here. The old
    -- service's logins are such roles, whoever made them and whenever.
    --
    -- Declared IMMUTABLE although the answer depends on the role: the planner then replaces the call by its answer, so that the
    -- policy costs the tenant's role no index and the old service no plan. That is safe, because PostgreSQL plans a statement on a
    -- table with row-level security again when the role changes.
    IF current_user IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors', 'rylie_sealer', 'rylie_auditor') THEN
        RETURN false;
    END IF;
    RETURN NOT EXISTS (
        SELECT FROM pg_roles door WHERE door.rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform')
        AND pg_has_role(current_user, door.oid, 'USAGE')
    ) AND NOT EXISTS (
        -- A login that was provisioned in this database: its policies name it. Memberships belong to the whole server, and the
        -- old service's login may serve units in another database.
        SELECT FROM pg_policy p JOIN pg_roles me ON me.oid = ANY (p.polroles)
        WHERE me.rolname = current_user AND p.polcmd = 'r' AND p.polname ~ '^rylie_(login|reader)_'
    );
END $function$
