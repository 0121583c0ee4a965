//! Signed-in users and their tenant scopes.

use rylie_audit::{Actor, Origin};
use rylie_entities::{AgencyId, TenantId, UserId, UserRole};

use crate::error::{Error, Result};

/// A user whose session was checked in an identity unit. No other constructor exists outside tests.
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

    /// Creates a signed-in user without a session, for tests with mocks and no database.
    #[cfg(feature = "mock")]
    #[must_use]
    pub fn for_tests(id: UserId, role: UserRole, agency: Option<AgencyId>) -> Self {
        Self::new(id, role, agency)
    }

    /// Returns the user's id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// Returns the user's role.
    #[must_use]
    pub fn role(&self) -> UserRole {
        self.role
    }

    /// Returns the agency, if the user belongs to one.
    #[must_use]
    pub fn agency(&self) -> Option<&AgencyId> {
        self.agency.as_ref()
    }

    /// Returns the tenant that owns the user's rows.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }
}

/// The rows of the tenant that a scope reaches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// The user's own rows.
    Own,
    /// All rows of the tenant.
    Tenant,
}

/// The rows of one tenant that a signed-in user reaches, and the origin of the call.
///
/// `USER` reaches its own rows; `AGENCY_ADMIN`, `ADMIN` and `SUPER_ADMIN` reach their agency's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TenantScope {
    user: SignedInUser,
    reach: Reach,
    origin: Origin,
    impersonator: Option<UserId>,
}

impl TenantScope {
    /// Creates the scope of a signed-in user. Derive it from the session, never from a request parameter.
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

    /// Lets a super admin work in the user's name, with the user's reach. Records carry both names. Fails with
    /// [`Error::Forbidden`] for any other role.
    pub fn impersonated_by(mut self, admin: &SignedInUser) -> Result<Self> {
        if admin.role() != UserRole::SuperAdmin {
            return Err(Error::Forbidden { action: "act in another user's name" });
        }
        self.impersonator = Some(admin.id().clone());
        Ok(self)
    }

    /// Returns the signed-in user.
    #[must_use]
    pub fn user(&self) -> &SignedInUser {
        &self.user
    }

    /// Returns the tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.user.tenant
    }

    /// Returns which rows of the tenant the scope reaches.
    #[must_use]
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Returns the origin of the call.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the actor for the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let subject = self.user.id.clone();
        match &self.impersonator {
            Some(actor) => Actor::Impersonation { actor: actor.clone(), subject },
            None => Actor::User(subject),
        }
    }
}
