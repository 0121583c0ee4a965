//! The constructor is private to the library.
use rylie_db::prelude::*;

fn forge(id: UserId, agency: AgencyId) -> SignedInUser {
    SignedInUser::new(id, UserRole::AgencyAdmin, Some(agency))
}

fn main() {}
