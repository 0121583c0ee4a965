//! Signing in and opening the user's tenant at once.

use std::fmt;
use std::ops::Deref;

use rylie_crypto::Secret;
use rylie_entities::Token;

use crate::unit::{IdentityUnit, TenantUnit};
use crate::{LogPosition, Result, SignedInUser, TenantScope};

/// Proof of a user's identity. `Debug` does not print it.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The token of a session.
    Session(Token),
    /// An API key.
    ApiKey(Secret<String>),
}

impl Credential {
    /// The longest token or key that is looked up, in bytes. A longer one belongs to no user.
    pub const MAX_BYTES: usize = 512;

    /// Reads the credential of a client: an API key if it begins with `rk_`, the token of a session otherwise. Returns
    /// `None` for an empty text, and for one of more than [`MAX_BYTES`](Self::MAX_BYTES).
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > Self::MAX_BYTES {
            return None;
        }
        Some(match text.strip_prefix("rk_") {
            Some(_) => Self::ApiKey(text.into()),
            None => Self::Session(Token::new(text)),
        })
    }

    /// Returns the user, or `None` if the credential is unknown or has expired. For an API key, fails with
    /// [`Error::NoKeyring`](crate::Error::NoKeyring) without a keyring, and with
    /// [`Error::Secret`](crate::Error::Secret) if the stored key does not open.
    pub async fn signed_in(&self, identity: &dyn IdentityUnit) -> Result<Option<SignedInUser>> {
        match self {
            Self::Session(token) => identity.sessions().signed_in(token).await,
            Self::ApiKey(key) => identity.api_keys().signed_in(key).await,
        }
    }
}

impl From<&Token> for Credential {
    fn from(token: &Token) -> Self {
        Self::Session(token.clone())
    }
}

impl From<Token> for Credential {
    fn from(token: Token) -> Self {
        Self::Session(token)
    }
}

impl From<&Secret<String>> for Credential {
    fn from(key: &Secret<String>) -> Self {
        Self::ApiKey(key.clone())
    }
}

/// The open unit of a signed-in user's tenant. It is used as a [`TenantUnit`].
#[must_use = "a unit that is not committed is rolled back"]
pub struct TenantAccess {
    scope: TenantScope,
    unit: Box<dyn TenantUnit>,
}

impl TenantAccess {
    pub(crate) fn new(scope: TenantScope, unit: Box<dyn TenantUnit>) -> Self {
        Self { scope, unit }
    }

    /// Returns the scope of the unit.
    #[must_use]
    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    /// Returns the signed-in user.
    #[must_use]
    pub fn user(&self) -> &SignedInUser {
        self.scope.user()
    }

    /// Commits the changes; see [`Unit::commit`](crate::Unit::commit).
    pub async fn commit(self) -> Result<()> {
        self.unit.commit().await
    }

    /// Rolls the changes back; see [`Unit::rollback`](crate::Unit::rollback).
    pub async fn rollback(self) {
        self.unit.rollback().await;
    }

    /// Commits the changes and returns a position behind them; see [`Unit::commit_with_position`](crate::Unit::commit_with_position).
    pub async fn commit_with_position(self) -> Result<LogPosition> {
        self.unit.commit_with_position().await
    }

    /// Returns the scope and the unit.
    #[must_use]
    pub fn into_parts(self) -> (TenantScope, Box<dyn TenantUnit>) {
        (self.scope, self.unit)
    }
}

impl Deref for TenantAccess {
    type Target = dyn TenantUnit;

    fn deref(&self) -> &(dyn TenantUnit + 'static) {
        &*self.unit
    }
}

impl fmt::Debug for TenantAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantAccess").field("scope", &self.scope).finish_non_exhaustive()
    }
}
