//! The user in whose name a unit works.

use rylie_entities::{Decoded, TenantOwned, User, UserId, UserRole, user};
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use crate::error::{Error, Result};
use crate::filter::Tx;

impl Tx {
    /// Returns the user whose rows are meant: the scope's own unless another is named. Reads through the tenant filter,
    /// so that no caller works in the name of another tenant's user.
    ///
    /// One statement, which begins a unit that begins later in the same round trip. Fails with [`Error::NotFound`] if the
    /// user is out of reach, and as [`user_or_own`](Self::user_or_own) and [`may_act_for`](Self::may_act_for) do.
    pub async fn owner(&self, named: Option<&UserId>) -> Result<User> {
        let id = self.user_or_own(named)?;
        self.allowed(self.rows::<user::Entity>().filter(user::Column::Id.eq(id)).at_once().get("User").await?)
    }

    /// Fails as [`owner`](Self::owner) does unless the caller may act in the name of the user. No statement for the
    /// caller's own user, and in a unit across tenants; otherwise one, which begins a unit that begins later in the
    /// same round trip.
    pub async fn check_owner(&self, id: &UserId) -> Result<()> {
        if self.scope().is_none_or(|scope| scope.user().id() == id) {
            return Ok(());
        }
        self.allowed(self.rows::<user::Entity>().filter(user::Column::Id.eq(id)).at_once().get("User").await?).map(drop)
    }

    /// Like [`Tx::owner`], and returns the key of the row of `E` that belongs to the user, if there is one. `of` is its
    /// column with the user. One statement.
    pub async fn owner_and_key<E: TenantOwned>(
        &self,
        named: Option<&UserId>,
        of: E::Column,
        key: E::Column,
    ) -> Result<(User, Option<String>)> {
        let id = self.user_or_own(named)?;
        let row = E::find().select_only().column(key).filter(of.eq(&id)).filter(self.kind.condition::<E>()).limit(1);
        let (owner, key) = self.rows::<user::Entity>().filter(user::Column::Id.eq(id)).with(row.into_query()).await?;
        Ok((self.allowed(owner)?, key))
    }

    /// Like [`Tx::owner`], and returns the row of `E` that belongs to the user, or `None`. `of` is its column with the
    /// user. One statement, which begins a unit that begins later in the same round trip; two without a row.
    pub async fn owned_row<E: TenantOwned + Decoded>(
        &self,
        named: Option<&UserId>,
        of: E::Column,
    ) -> Result<Option<E::Model>>
    where
        E::Model: Send + Sync,
    {
        let id = self.user_or_own(named)?;
        let role = user::Entity::find().select_only().expr(user::Column::Role.into_expr().cast_as("text"));
        let role = role.filter(user::Column::Id.eq(&id)).filter(self.kind.condition::<user::Entity>()).limit(1);
        match self.rows::<E>().filter(of.eq(&id)).with(role.into_query()).await {
            Ok((row, Some(role))) => {
                self.may_act_for(&id, role.parse()?)?;
                Ok(Some(row))
            }
            Ok((_, None)) | Err(Error::NotFound { .. }) => self.owner(Some(&id)).await.map(|_| None),
            Err(error) => Err(error),
        }
    }

    fn allowed(&self, owner: User) -> Result<User> {
        self.may_act_for(&owner.id, owner.role)?;
        Ok(owner)
    }

    /// Returns the id of the user whose rows are meant. Fails with [`Error::Invalid`] if a unit across tenants names
    /// none.
    pub fn user_or_own(&self, named: Option<&UserId>) -> Result<UserId> {
        named
            .or_else(|| self.scope().map(|scope| scope.user().id()))
            .cloned()
            .ok_or(Error::Invalid { what: "the user", reason: "a user id is required in a unit across tenants" })
    }

    /// Fails with [`Error::Forbidden`] if the user is a super admin other than the caller. Within a tenant no other
    /// user may change a super admin or act in that name.
    pub fn may_act_for(&self, user: &UserId, role: UserRole) -> Result<()> {
        let own = self.scope().is_none_or(|scope| scope.user().id() == user);
        if !own && role == UserRole::SuperAdmin {
            return Err(self.refuse("change a super admin, or act in that name"));
        }
        Ok(())
    }
}
