//! A scope is made from a signed-in user, and is not put together.
use rylie_db::prelude::*;
use rylie_db::repositories::Reach;

fn forge(user: SignedInUser) -> TenantScope {
    TenantScope { user, reach: Reach::Tenant, origin: Origin::default() }
}

fn main() {}
