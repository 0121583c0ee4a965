//! Creates signed-in users.

use rylie_entities::User;

use crate::error::Result;
use crate::filter::{Tx, UnitKind};
use crate::scope::SignedInUser;

impl Tx {
    /// Returns the user as signed in; the caller has checked the credentials. Fails in units that already know the
    /// tenant.
    pub fn sign_in(&self, user: &User) -> Result<SignedInUser> {
        match self.kind() {
            UnitKind::Identity | UnitKind::Platform => {
                Ok(SignedInUser::new(user.id.clone(), user.role, user.agency_id.clone()))
            }
            UnitKind::Tenant(_) | UnitKind::Operations => Err(self.refuse("sign a user in")),
        }
    }
}
