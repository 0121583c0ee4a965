//! Row-level security of a tenant's table that a migration creates.

use crate::migrations::m20261123_000007_create_door_roles::DOORS_OPEN;
use crate::step::Step;

/// Returns the step that grants the rights and creates the policies of the tenant and the platform. One statement, so that
/// no session sees a partial change. While the old service shares the database, the policies do not bind the owner.
pub(crate) fn protect(table: &str, grants: &str) -> Step {
    Step::sql(format!(
        "DO $$ BEGIN IF {DOORS_OPEN} THEN REVOKE ALL ON \"{table}\" FROM rylie_tenant, rylie_platform; {grants} \
         DROP POLICY IF EXISTS rylie_tenant ON \"{table}\"; \
         CREATE POLICY rylie_tenant ON \"{table}\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true)) \
         WITH CHECK (\"tenantId\" = current_setting('rylie.tenant', true)); \
         DROP POLICY IF EXISTS rylie_platform ON \"{table}\"; \
         CREATE POLICY rylie_platform ON \"{table}\" TO rylie_platform USING (true) WITH CHECK (true); \
         ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY; \
         IF (SELECT state FROM public.rylie_database) = 'coexistence' THEN ALTER TABLE \"{table}\" NO FORCE ROW LEVEL SECURITY; \
         ELSE ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY; END IF; END IF; END $$"
    ))
}
