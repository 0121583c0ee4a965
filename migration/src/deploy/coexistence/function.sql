CREATE OR REPLACE FUNCTION public.rylie_is_foreign_role()
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
BEGIN
    -- Whether the current role is none of ours: no role of a door, no role that inherits one, no provisioned login. The old
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
        -- A service's login: it takes the doors' roles and inherits nothing.
        SELECT FROM pg_auth_members m JOIN pg_roles door ON door.oid = m.roleid JOIN pg_roles me ON me.oid = m.member
        WHERE door.rolname IN ('rylie_doors', 'rylie_tenant', 'rylie_identity') AND me.rolname = current_user AND NOT me.rolinherit
    ) AND NOT EXISTS (
        -- A reader's login: its policies name it.
        SELECT FROM pg_policy p WHERE p.polname = ('rylie_reader_' || current_user)::name
    );
END $function$
