//! Who is signed in, and which rows that reaches.

use rylie_audit::{Actor, Origin};
use rylie_entities::{AgencyId, TenantId, UserId, UserRole};

use crate::error::{Error, Result};

/// A user whose session was checked by the identity door. There is no other way to come by one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SignedInUser {
    id: UserId,
    role: UserRole,
    agency: Option<AgencyId>,
    tenant: TenantId,
}

impl SignedInUser {
    pub(crate) fn new(id: UserId, role: UserRole, agency: Option<AgencyId>) -> Self {
        let tenant = TenantId::of_user(&id, agency.as_ref());
        Self { id, role, agency, tenant }
    }

    /// A user that is taken to be signed in, for tests that use mocks and no database.
    #[cfg(feature = "mock")]
    #[must_use]
    pub fn for_tests(id: UserId, role: UserRole, agency: Option<AgencyId>) -> Self {
        Self::new(id, role, agency)
    }

    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// What the user may do.
    #[must_use]
    pub fn role(&self) -> UserRole {
        self.role
    }

    /// The agency, if the user belongs to one.
    #[must_use]
    pub fn agency(&self) -> Option<&AgencyId> {
        self.agency.as_ref()
    }

    /// Whose rows the user's are.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// Which rows of the tenant a scope reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The user's own rows.
    Own,
    /// All rows of the tenant.
    Tenant,
}

/// The rows of one tenant that one signed-in user reaches, and from where the user calls.
///
/// `USER` reaches its own rows; `AGENCY_ADMIN`, `ADMIN` and `SUPER_ADMIN` their agency's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantScope {
    user: SignedInUser,
    reach: Reach,
    origin: Origin,
    impersonator: Option<UserId>,
}

impl TenantScope {
    /// The scope of a signed-in user. It is made from the session, never from a parameter of the request.
    #[must_use]
    pub fn of(user: &SignedInUser, origin: Origin) -> Self {
        let reach = match user.role {
            UserRole::User => Reach::Own,
            UserRole::Admin | UserRole::AgencyAdmin | UserRole::SuperAdmin => Reach::Tenant,
        };
        Self { user: user.clone(), reach, origin, impersonator: None }
    }

    /// Narrows the scope to the user's own rows.
    #[must_use]
    pub fn own(mut self) -> Self {
        self.reach = Reach::Own;
        self
    }

    /// A super admin works in the user's name: with the user's reach, and recorded with both names. [`Error::Forbidden`]
    /// for any other role.
    pub fn impersonated_by(mut self, admin: &SignedInUser) -> Result<Self> {
        if admin.role() != UserRole::SuperAdmin {
            return Err(Error::Forbidden { action: "act in another user's name" });
        }
        self.impersonator = Some(admin.id().clone());
        Ok(self)
    }

    /// The signed-in user.
    #[must_use]
    pub fn user(&self) -> &SignedInUser {
        &self.user
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.user.tenant
    }

    /// Which rows of the tenant it reaches.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// From where the user calls.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Who acts, for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let subject = self.user.id.clone();
        match &self.impersonator {
            Some(actor) => Actor::Impersonation { actor: actor.clone(), subject },
            None => Actor::User(subject),
        }
    }
}
