//! Creates signed-in users.

use rylie_entities::User;

use crate::error::Result;
use crate::fence::{Fence, Tx};
use crate::scope::SignedInUser;

impl Tx {
    /// Returns the user as signed in; the caller has checked the credentials. Fails in units that already know the
    /// tenant.
    pub fn sign_in(&self, user: &User) -> Result<SignedInUser> {
        match self.fence() {
            Fence::Identity | Fence::Platform => {
                Ok(SignedInUser::new(user.id.clone(), user.role, user.agency_id.clone()))
            }
            Fence::Tenant(_) | Fence::Books => Err(self.refuse("sign a user in")),
        }
    }
}
