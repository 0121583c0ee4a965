//! One-time tokens, before a tenant is known.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rylie_entities::Token;
use rylie_entities::verification_token::{ActiveModel, Column, Entity};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, Condition};

use crate::Result;
use crate::identity::sessions::random_token;
use crate::tx::Tx;

/// Tokens that confirm an address.
///
/// Its methods have no errors of their own; see the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait VerificationTokenRepository: Send + Sync {
    /// Issues a token for an address and returns it: 256 random bits.
    async fn issue(&self, identifier: &str, expires: DateTime<Utc>) -> Result<Token>;

    /// Consumes a token. Returns `true` once, for its address, before it expires.
    async fn consume(&self, identifier: &str, token: &Token) -> Result<bool>;
}

#[async_trait]
impl VerificationTokenRepository for Tx {
    async fn issue(&self, identifier: &str, expires: DateTime<Utc>) -> Result<Token> {
        let token = random_token()?;
        let row = ActiveModel {
            identifier: Set(identifier.to_owned()),
            token: Set(token.clone()),
            expires: Set(expires.into()),
        };
        self.insert_shared::<Entity>(row).await?;
        Ok(token)
    }

    async fn consume(&self, identifier: &str, token: &Token) -> Result<bool> {
        let good = Condition::all()
            .add(Column::Identifier.eq(identifier))
            .add(Column::Token.eq(token))
            .add(Column::Expires.gt(self.now()));
        Ok(self.delete_shared::<Entity>(good).await? == 1)
    }
}
