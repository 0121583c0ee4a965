//! Signed-in sessions.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ring::rand::{SecureRandom, SystemRandom};
use rylie_entities::session::{ActiveModel, Column, Entity};
use rylie_entities::{SessionId, Timestamp, Token, UserId, user};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use crate::SignedInUser;
use crate::tx::Tx;
use crate::{Error, Result};

/// Sessions by their token.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait SessionRepository: Send + Sync {
    /// Begins a session of a user and returns its token: 256 random bits. The token is not shown again. Fails with
    /// [`Error::NotFound`] if there is no such user.
    async fn begin(&self, user: &UserId, expires: DateTime<Utc>) -> Result<Token>;

    /// Returns the user of a session, or `None` if the token is unknown or the session has expired. Two statements.
    async fn signed_in(&self, token: &Token) -> Result<Option<SignedInUser>>;

    /// Extends the session until `expires`. Fails with [`Error::NotFound`] if it is unknown or has expired.
    async fn extend(&self, token: &Token, expires: DateTime<Utc>) -> Result<()>;

    /// Ends a session. Does nothing if there is none.
    async fn end(&self, token: &Token) -> Result<()>;

    /// Ends every session of a user. Returns how many.
    async fn end_all(&self, user: &UserId) -> Result<u64>;
}

#[async_trait]
impl SessionRepository for Tx {
    async fn begin(&self, user: &UserId, expires: DateTime<Utc>) -> Result<Token> {
        let owner = self.rows::<user::Entity>().filter(user::Column::Id.eq(user)).get("User").await?;
        let token = random_token()?;
        let row = ActiveModel {
            id: Set(SessionId::generate(self.env())),
            tenant_id: Set(owner.tenant_id),
            session_token: Set(token.clone()),
            user_id: Set(owner.id),
            expires: Set(expires.into()),
        };
        self.insert::<Entity>(row).await?;
        Ok(token)
    }

    async fn signed_in(&self, token: &Token) -> Result<Option<SignedInUser>> {
        if !token.can_be_stored() {
            return Ok(None);
        }
        let Some(session) = self.rows::<Entity>().filter(valid(token, self.now())).one().await? else {
            return Ok(None);
        };
        let user = self.rows::<user::Entity>().filter(user::Column::Id.eq(&session.user_id)).one().await?;
        user.map(|user| self.sign_in(&user)).transpose()
    }

    async fn extend(&self, token: &Token, expires: DateTime<Utc>) -> Result<()> {
        let set = ActiveModel { expires: Set(expires.into()), ..Default::default() };
        self.update_one::<Entity>(set, valid(token, self.now()), "Session").await.map(|_| ())
    }

    async fn end(&self, token: &Token) -> Result<()> {
        self.delete::<Entity>(Column::SessionToken.eq(token)).await.map(|_| ())
    }

    async fn end_all(&self, user: &UserId) -> Result<u64> {
        self.delete::<Entity>(Column::UserId.eq(user)).await
    }
}

fn valid(token: &Token, now: Timestamp) -> Condition {
    Condition::all().add(Column::SessionToken.eq(token)).add(Column::Expires.gt(now))
}

/// Returns 256 random bits of the system, in URL-safe text.
pub(crate) fn random_token() -> Result<Token> {
    use base64::Engine;
    let mut bytes = [0; 32];
    let unavailable = |_| Error::Internal { what: "the random source", reason: "it failed; try again" };
    SystemRandom::new().fill(&mut bytes).map_err(unavailable)?;
    Ok(Token::new(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)))
}
