//! Who was found to be signed in.

use rylie_entities::User;

use crate::error::Result;
use crate::fence::{Fence, Tx};
use crate::scope::SignedInUser;

impl Tx {
    /// The user as one that is signed in, which the caller has checked. Where tenants are known already nobody is signed in.
    pub fn sign_in(&self, user: &User) -> Result<SignedInUser> {
        match self.fence() {
            Fence::Identity | Fence::Platform => {
                Ok(SignedInUser::new(user.id.clone(), user.role, user.agency_id.clone()))
            }
            Fence::Tenant(_) | Fence::Books => Err(self.refuse("sign a user in")),
        }
    }
}
