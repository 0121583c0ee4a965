//! A signed-in user comes from a session check, not from a literal.
use rylie_db::prelude::*;

fn forge(id: UserId, agency: AgencyId) -> SignedInUser {
    let tenant = TenantId::of_agency(&agency);
    SignedInUser { id, role: UserRole::AgencyAdmin, agency: Some(agency), tenant }
}

fn main() {}
