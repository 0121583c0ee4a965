//! Users before a tenant is known.

use async_trait::async_trait;
use rylie_entities::user::{ActiveModel, Column, Entity};
use rylie_entities::{TenantId, User, UserId, UserRole};
use sea_orm::ActiveValue::Set;
use sea_orm::ColumnTrait;
use sea_orm::sea_query::ExprTrait;

use crate::Result;
use crate::limits;
use crate::tx::Tx;
use crate::users::{checked_email, lower_email, refuse_taken};

/// Users by e-mail address.
///
/// A method names only its own errors; see also the [errors of every call](crate::Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait IdentityRepository: Send + Sync {
    /// Returns the user with this address, or `None`. Case and surrounding blanks are ignored.
    async fn find_by_email(&self, email: &str) -> Result<Option<User>>;

    /// Creates a user without an agency, with the role `USER`, at a first sign-in.
    ///
    /// Fails with [`Error::Conflict`](crate::Error::Conflict) if the address is taken. Fails with
    /// [`Error::Invalid`](crate::Error::Invalid) for an address that is not of the form `name@domain`, and for an
    /// address or a name that is too long.
    async fn sign_up(&self, email: &str, name: Option<String>) -> Result<User>;

    /// Stores that the address was confirmed now. Fails with [`Error::NotFound`](crate::Error::NotFound) if there is no
    /// such user.
    async fn confirm_email(&self, user: &UserId) -> Result<User>;
}

#[async_trait]
impl IdentityRepository for Tx {
    async fn find_by_email(&self, email: &str) -> Result<Option<User>> {
        // The old service stored addresses in any case, possibly duplicates: an exact match takes precedence.
        let Ok(lower) = checked_email(email) else { return Ok(None) };
        let found = self.rows::<Entity>().filter(lower_email().eq(lower)).all().await?;
        Ok(found.into_iter().max_by_key(|user| user.email == email.trim()))
    }

    async fn sign_up(&self, email: &str, name: Option<String>) -> Result<User> {
        let email = checked_email(email)?;
        refuse_taken(self, &email).await?;
        let id = UserId::generate(self.env());
        let row = ActiveModel {
            tenant_id: Set(TenantId::of_user(&id, None)),
            id: Set(id),
            email: Set(email),
            name: Set(name.map(|name| limits::line("the name", name)).transpose()?),
            role: Set(UserRole::User),
            created_at: Set(self.now()),
            updated_at: Set(self.now()),
            ..Default::default()
        };
        self.insert::<Entity>(row).await
    }

    async fn confirm_email(&self, user: &UserId) -> Result<User> {
        let set =
            ActiveModel { email_verified: Set(Some(self.now())), updated_at: Set(self.now()), ..Default::default() };
        self.update_one::<Entity>(set, Column::Id.eq(user), "User").await
    }
}
