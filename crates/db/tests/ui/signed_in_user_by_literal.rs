//! A signed-in user comes from a session, and is not put together.
use rylie_db::prelude::*;

fn forge(id: UserId, agency: AgencyId) -> SignedInUser {
    let tenant = TenantId::of_agency(&agency);
    SignedInUser { id, role: UserRole::AgencyAdmin, agency: Some(agency), tenant }
}

fn main() {}
