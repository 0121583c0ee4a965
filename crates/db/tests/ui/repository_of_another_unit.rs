//! A unit offers the repositories of its kind: a tenant unit has no sessions, an identity unit no requests.
use rylie_db::prelude::*;

fn read(tenant: &dyn TenantUnit, identity: &dyn IdentityUnit) {
    let _sessions = tenant.sessions();
    let _requests = identity.requests();
}

fn main() {}
