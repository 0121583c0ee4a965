//! Accounts with OAuth providers.

use async_trait::async_trait;
use rylie_crypto::Secret;
use rylie_entities::account::{ActiveModel, Column, Entity};
use rylie_entities::{Account, AccountId, SealedColumn, UserId, user};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Order;
use sea_orm::{ColumnTrait, Condition};

use crate::Result;
use crate::secrets::vault::{Place, SecretColumn};
use crate::tx::Tx;

/// Accounts by provider.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AccountRepository: Send + Sync {
    /// Returns the account with this id at the provider.
    async fn find(&self, provider: &str, provider_account: &str) -> Result<Option<Account>>;

    /// Returns the accounts of a user, sorted by provider.
    async fn list_of(&self, user: &UserId) -> Result<Vec<Account>>;

    /// Links an account at a provider to a user and seals the tokens. Fails with
    /// [`Error::NotFound`](crate::Error::NotFound) if there is no such user, and with
    /// [`Error::Conflict`](crate::Error::Conflict) if the account is already linked.
    ///
    /// With tokens, fails with [`Error::NoKeyring`](crate::Error::NoKeyring) if the store has no keyring, and with
    /// [`Error::Secret`](crate::Error::Secret) if the keys do not fit the column's policy. Fails with
    /// [`Error::Invalid`](crate::Error::Invalid) for a token that is empty or has more than 16,384 bytes.
    async fn link(&self, new: NewAccount) -> Result<Account>;

    /// Opens the access token, if the account has one.
    ///
    /// Fails with [`Error::NotFound`](crate::Error::NotFound) if there is no such account. If it has a token, fails
    /// with [`Error::NoKeyring`](crate::Error::NoKeyring) without a keyring, and with
    /// [`Error::Secret`](crate::Error::Secret) if the token does not open.
    async fn open_access_token(&self, account: &AccountId) -> Result<Option<Secret<String>>>;

    /// Opens the refresh token, if the account has one. Fails as [`open_access_token`](Self::open_access_token) does.
    async fn open_refresh_token(&self, account: &AccountId) -> Result<Option<Secret<String>>>;

    /// Opens the provider's signed statement of the user's identity, if the account has one. Fails as
    /// [`open_access_token`](Self::open_access_token) does.
    async fn open_id_token(&self, account: &AccountId) -> Result<Option<Secret<String>>>;

    /// Unlinks an account. Fails with [`Error::NotFound`](crate::Error::NotFound) if there is none.
    async fn unlink(&self, account: &AccountId) -> Result<()>;
}

/// An account to link to a user.
#[derive(Debug)]
pub struct NewAccount {
    /// The owning user.
    pub user: UserId,
    /// `oauth`, `oidc` or `email`.
    pub kind: String,
    /// The provider's name, such as `google`.
    pub provider: String,
    /// The account's id at the provider.
    pub provider_account: String,
    /// The refresh token.
    pub refresh_token: Option<Secret<String>>,
    /// The access token for the provider's API.
    pub access_token: Option<Secret<String>>,
    /// The provider's signed statement of the user's identity.
    pub id_token: Option<Secret<String>>,
    /// When the access token expires, in seconds since 1970.
    pub expires_at: Option<i32>,
    /// Scopes of the tokens, separated by spaces.
    pub scope: Option<String>,
}

impl NewAccount {
    /// Creates a user's account with a provider, without tokens.
    pub fn new(
        user: UserId,
        kind: impl Into<String>,
        provider: impl Into<String>,
        provider_account: impl Into<String>,
    ) -> Self {
        Self {
            user,
            kind: kind.into(),
            provider: provider.into(),
            provider_account: provider_account.into(),
            refresh_token: None,
            access_token: None,
            id_token: None,
            expires_at: None,
            scope: None,
        }
    }
}

#[async_trait]
impl AccountRepository for Tx {
    async fn find(&self, provider: &str, provider_account: &str) -> Result<Option<Account>> {
        let known_as =
            Condition::all().add(Column::Provider.eq(provider)).add(Column::ProviderAccountId.eq(provider_account));
        self.rows::<Entity>().filter(known_as).one().await
    }

    async fn list_of(&self, user: &UserId) -> Result<Vec<Account>> {
        let rows = self.rows::<Entity>().filter(Column::UserId.eq(user));
        rows.order(Order::Asc, Column::Provider, Column::Id).all().await
    }

    async fn link(&self, new: NewAccount) -> Result<Account> {
        let owner = self.rows::<user::Entity>().filter(user::Column::Id.eq(new.user)).get("User").await?;
        let id = AccountId::generate(self.env());
        let place = |column| Place::new(column, id.as_str(), &owner.id);
        let row = ActiveModel {
            refresh_token: Set(
                self.seal_optional(new.refresh_token.as_ref(), place(SecretColumn::AccountRefreshToken))?
            ),
            access_token: Set(self.seal_optional(new.access_token.as_ref(), place(SecretColumn::AccountAccessToken))?),
            id_token: Set(self.seal_optional(new.id_token.as_ref(), place(SecretColumn::AccountIdToken))?),
            tenant_id: Set(owner.tenant_id.clone()),
            user_id: Set(owner.id.clone()),
            kind: Set(new.kind),
            provider: Set(new.provider),
            provider_account_id: Set(new.provider_account),
            expires_at: Set(new.expires_at),
            token_type: Set(Some("Bearer".to_owned())),
            scope: Set(new.scope),
            session_state: Set(None),
            id: Set(id.clone()),
        };
        self.insert::<Entity>(row).await
    }

    async fn open_access_token(&self, account: &AccountId) -> Result<Option<Secret<String>>> {
        open(self, account, SecretColumn::AccountAccessToken, |account| account.access_token.as_ref()).await
    }

    async fn open_refresh_token(&self, account: &AccountId) -> Result<Option<Secret<String>>> {
        open(self, account, SecretColumn::AccountRefreshToken, |account| account.refresh_token.as_ref()).await
    }

    async fn open_id_token(&self, account: &AccountId) -> Result<Option<Secret<String>>> {
        open(self, account, SecretColumn::AccountIdToken, |account| account.id_token.as_ref()).await
    }

    async fn unlink(&self, account: &AccountId) -> Result<()> {
        self.delete_one::<Entity>(Column::Id.eq(account), "Account").await
    }
}

async fn open(
    tx: &Tx,
    account: &AccountId,
    column: SecretColumn,
    of: fn(&Account) -> Option<&SealedColumn>,
) -> Result<Option<Secret<String>>> {
    let account = tx.rows::<Entity>().filter(Column::Id.eq(account)).get("Account").await?;
    tx.open_optional(of(&account), Place::new(column, account.id.as_str(), &account.user_id))
}
