//! A scope is created from a signed-in user, not from a literal.
use rylie_db::prelude::*;
use rylie_db::repositories::Reach;

fn forge(user: SignedInUser) -> TenantScope {
    TenantScope { user, reach: Reach::Tenant, origin: Origin::default() }
}

fn main() {}
