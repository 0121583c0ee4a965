//! The right to work across tenants.

use rylie_audit::{Actor, Origin};
use rylie_entities::UserRole;

use crate::error::{Error, Result};
use crate::scope::SignedInUser;

/// The caller of a platform unit, and the reason. Both are written to the audit log before the unit opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    actor: Actor,
    reason: String,
    origin: Origin,
}

impl Grant {
    /// Creates a grant for a super admin. Fails with [`Error::Forbidden`] for any other role, and with
    /// [`Error::Invalid`] without a reason.
    pub fn of(user: &SignedInUser, reason: &str, origin: Origin) -> Result<Self> {
        if user.role() != UserRole::SuperAdmin {
            return Err(Error::Forbidden { action: "work across tenants" });
        }
        Self::new(Actor::User(user.id().clone()), reason, origin)
    }

    /// Creates a grant for a named job. Fails with [`Error::Invalid`] without a name or a reason.
    pub fn job(name: &str, reason: &str) -> Result<Self> {
        if name.trim().is_empty() {
            return Err(Error::Invalid { what: "the job's name", reason: "it must not be empty" });
        }
        Self::new(Actor::Job(name.to_owned()), reason, Origin::default())
    }

    fn new(actor: Actor, reason: &str, origin: Origin) -> Result<Self> {
        if reason.trim().is_empty() {
            return Err(Error::Invalid { what: "the reason", reason: "it must say why the work is across tenants" });
        }
        Ok(Self { actor, reason: reason.to_owned(), origin })
    }

    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}
