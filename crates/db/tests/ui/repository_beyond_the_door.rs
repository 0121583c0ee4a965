//! A door shows what belongs to it: no sessions in a tenant's unit, no requests in an identity's.
use rylie_db::prelude::*;

fn read(tenant: &dyn TenantUnit, identity: &dyn IdentityUnit) {
    let _sessions = tenant.sessions();
    let _requests = identity.requests();
}

fn main() {}
