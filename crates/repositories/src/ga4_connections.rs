//! Connections to Google Analytics 4.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_audit::{Action, Event};
use rylie_crypto::Secret;
use rylie_entities::ga4_connection::{ActiveModel, Column, Entity};
use rylie_entities::{Ga4Connection, Ga4ConnectionId, UserId, user};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;

use crate::audit::AuditRepository;
use crate::fence::Tx;
use crate::vault::{OpenedTokens, Place};
use crate::{Error, Result};

/// Connections to Google Analytics 4, one a user. Their tokens are sealed; reading a row does not open them.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Ga4ConnectionRepository: Send + Sync {
    /// The user's connection, or `None` if there is none within reach.
    async fn find(&self, user: UserId) -> Result<Option<Ga4Connection>>;

    /// Saves the user's connection over the one before, if there is one. Recorded.
    /// [`Error::NotFound`] if the user is not within reach, [`Error::NoKeyring`] if the store has no keyring.
    async fn save(&self, new: NewGa4Connection) -> Result<Ga4Connection>;

    /// Opens the tokens of the user's connection, in whichever form they are stored.
    async fn open_tokens(&self, user: UserId) -> Result<Option<OpenedTokens>>;

    /// Removes the user's connection. Recorded. [`Error::NotFound`] if there is none.
    async fn remove(&self, user: UserId) -> Result<()>;
}

/// A connection to be saved.
#[derive(Debug)]
pub struct NewGa4Connection {
    /// Whose it is: the signed-in user unless another is named.
    pub user: Option<UserId>,
    /// Opens Google's API.
    pub access_token: Secret<String>,
    /// Gets a new access token.
    pub refresh_token: Option<Secret<String>>,
    /// When the access token ends.
    pub expires: Option<DateTime<Utc>>,
    /// The property that is read.
    pub property_id: Option<String>,
    /// Its name.
    pub property_name: Option<String>,
}

const TABLE: &str = "GA4Connection";

#[async_trait]
impl Ga4ConnectionRepository for Tx {
    async fn find(&self, user: UserId) -> Result<Option<Ga4Connection>> {
        self.rows::<Entity>().filter(Column::UserId.eq(user)).one().await
    }

    async fn save(&self, new: NewGa4Connection) -> Result<Ga4Connection> {
        let user = self.user_or_own(new.user)?;
        let owner = self.rows::<user::Entity>().filter(user::Column::Id.eq(user)).get("User").await?;
        let before = Ga4ConnectionRepository::find(self, owner.id.clone()).await?;
        let id = before.as_ref().map_or_else(|| Ga4ConnectionId::generate(self.env()), |row| row.id.clone());
        let place = |column| Place { table: TABLE, column, row: id.as_str(), owner: &owner.id };
        let row = ActiveModel {
            access_token: Set(self.seal(&new.access_token, place("accessToken"))?),
            refresh_token: Set(self.seal_optional(new.refresh_token.as_ref(), place("refreshToken"))?),
            tenant_id: Set(owner.tenant_id.clone()),
            user_id: Set(owner.id.clone()),
            expires_at: Set(new.expires.map(Into::into)),
            property_id: Set(new.property_id),
            property_name: Set(new.property_name),
            created_at: Set(before.map_or_else(|| self.now(), |row| row.created_at)),
            updated_at: Set(self.now()),
            id: Set(id.clone()),
        };
        let saved = self.upsert::<Entity>(row, Column::UserId, &CHANGED).await?;
        if saved.id != id {
            // Somebody saved one meanwhile: what we sealed is bound to an id that is not the row's.
            return Err(Error::Contention);
        }
        self.record(Event::new(Action::ConnectionSaved).on(TABLE, &saved.id)).await?;
        Ok(saved)
    }

    async fn open_tokens(&self, user: UserId) -> Result<Option<OpenedTokens>> {
        let Some(row) = Ga4ConnectionRepository::find(self, user).await? else { return Ok(None) };
        let place = |column| Place { table: TABLE, column, row: row.id.as_str(), owner: &row.user_id };
        let access = self.open(&row.access_token, place("accessToken"))?;
        let refresh = self.open_optional(row.refresh_token.as_ref(), place("refreshToken"))?;
        Ok(Some(OpenedTokens { access, refresh }))
    }

    async fn remove(&self, user: UserId) -> Result<()> {
        let row = Ga4ConnectionRepository::find(self, user).await?.ok_or(Error::NotFound { entity: TABLE })?;
        self.delete_one::<Entity>(Column::Id.eq(&row.id), TABLE).await?;
        self.record(Event::new(Action::ConnectionRemoved).on(TABLE, &row.id)).await
    }
}

const CHANGED: [Column; 6] = [
    Column::AccessToken,
    Column::RefreshToken,
    Column::ExpiresAt,
    Column::PropertyId,
    Column::PropertyName,
    Column::UpdatedAt,
];
