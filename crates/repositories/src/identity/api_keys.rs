//! API keys: one per user.

use async_trait::async_trait;
use rylie_audit::{Action, Event};
use rylie_crypto::{Secret, StoredForm};
use rylie_entities::user::{ActiveModel, Column, Entity};
use rylie_entities::{IndexColumn, User, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use crate::Result;
use crate::SignedInUser;
use crate::audit::AuditRepository;
use crate::identity::sessions::random_token;
use crate::secrets::vault::{Place, SecretColumn};
use crate::tx::Tx;

/// Issues and revokes API keys. A key is shown once, when it is issued. The policy of `User.apiKey` decides how it is
/// stored: sealed with a blind index, or in plain text while the old service looks it up.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ApiKeyRepository: Send + Sync {
    /// Issues a new key and replaces the previous one: `rk_` and 256 random bits. Recorded.
    ///
    /// Fails with [`Error::NotFound`](crate::Error::NotFound) if the user is not within reach, and with
    /// [`Error::Forbidden`](crate::Error::Forbidden) for a super admin other than the caller within a tenant. Fails
    /// with [`Error::NoKeyring`](crate::Error::NoKeyring) if the store has no keyring, and with
    /// [`Error::Secret`](crate::Error::Secret) if the keys do not fit the column's policy.
    async fn issue(&self, user: &UserId) -> Result<Secret<String>>;

    /// Revokes the user's key; does nothing without one. Recorded. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) and [`Error::Forbidden`](crate::Error::Forbidden) as
    /// [`issue`](Self::issue) does.
    async fn revoke(&self, user: &UserId) -> Result<()>;

    /// Returns whether this is the user's key. The texts are compared in constant time.
    ///
    /// Fails with [`Error::NotFound`](crate::Error::NotFound) and [`Error::Forbidden`](crate::Error::Forbidden) as
    /// [`issue`](Self::issue) does. If the user has a key, fails with [`Error::NoKeyring`](crate::Error::NoKeyring)
    /// without a keyring, and with [`Error::Secret`](crate::Error::Secret) if the key does not open.
    async fn confirm(&self, user: &UserId, key: &Secret<String>) -> Result<bool>;
}

/// Signing in by API key, before a tenant is known.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ApiKeySignIn: Send + Sync {
    /// Returns the user with this key, or `None`. One statement, by unique indexes.
    ///
    /// The key is looked up by blind index under each usable key of the keyring, so also during a rotation. It is
    /// looked up as plain text while the column's policy accepts that. The row's value is then compared in constant
    /// time.
    ///
    /// Fails with [`Error::NoKeyring`](crate::Error::NoKeyring) if the store has no keyring, and with
    /// [`Error::Secret`](crate::Error::Secret) if the value of the row does not open. A text that cannot be a key is no
    /// error.
    async fn signed_in(&self, key: &Secret<String>) -> Result<Option<SignedInUser>>;
}

/// Longer than any key that the platform has issued.
const MAX_BYTES: usize = 512;

#[async_trait]
impl ApiKeyRepository for Tx {
    async fn issue(&self, user: &UserId) -> Result<Secret<String>> {
        let owner = self.owner(Some(user)).await?;
        let key = Secret::from(format!("rk_{}", random_token()?.expose()));
        let vault = self.vault(SecretColumn::UserApiKey)?;
        let stored = vault.seal(&key, place(&owner.id))?;
        let set = ActiveModel {
            api_key_index: Set(vault.index_for(&stored, &key)?),
            api_key: Set(Some(stored.into())),
            api_key_created_at: Set(Some(self.now())),
            updated_at: Set(self.now()),
            ..Default::default()
        };
        self.update_one::<Entity>(set, Column::Id.eq(&owner.id), "User").await?;
        self.record(Event::new(Action::ApiKeyIssued).on(&owner.id)).await?;
        Ok(key)
    }

    async fn revoke(&self, user: &UserId) -> Result<()> {
        let owner = self.owner(Some(user)).await?;
        if owner.api_key.is_none() {
            return Ok(());
        }
        let set = ActiveModel {
            api_key: Set(None),
            api_key_index: Set(None),
            api_key_created_at: Set(None),
            updated_at: Set(self.now()),
            ..Default::default()
        };
        self.update_one::<Entity>(set, Column::Id.eq(&owner.id), "User").await?;
        self.record(Event::new(Action::ApiKeyRevoked).on(&owner.id)).await
    }

    async fn confirm(&self, user: &UserId, key: &Secret<String>) -> Result<bool> {
        let owner = self.owner(Some(user)).await?;
        holds(self, &owner, key)
    }
}

#[async_trait]
impl ApiKeySignIn for Tx {
    async fn signed_in(&self, key: &Secret<String>) -> Result<Option<SignedInUser>> {
        let text = key.expose();
        // Do not accept a sealed value as it is stored: read access to the table would be enough to sign in.
        if text.is_empty() || text.len() > MAX_BYTES || StoredForm::of(text) != StoredForm::Plain {
            return Ok(None);
        }
        let vault = self.vault(SecretColumn::UserApiKey)?;
        let candidates = vault.blind_index()?.candidates(text).into_iter().map(IndexColumn::from);
        let mut known = Condition::any().add(Column::ApiKeyIndex.is_in(candidates));
        if vault.accepts(StoredForm::Plain) {
            known = known.add(Column::ApiKey.eq(text.as_str()));
        }
        // More than one row matches if a writer without knowledge of the index left an old one behind.
        for user in self.rows::<Entity>().filter(known).all().await? {
            if holds(self, &user, key)? {
                return self.sign_in(&user).map(Some);
            }
        }
        Ok(None)
    }
}

fn holds(tx: &Tx, user: &User, key: &Secret<String>) -> Result<bool> {
    Ok(tx.open_optional(user.api_key.as_ref(), place(&user.id))?.is_some_and(|stored| stored == *key))
}

fn place(user: &UserId) -> Place<'_> {
    Place::new(SecretColumn::UserApiKey, user.as_str(), user)
}
