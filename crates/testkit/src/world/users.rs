//! Signed-in users and agencies of a test database.

use chrono::TimeDelta;
use rylie_db::entities::{Agency, Env, PackageType, Request, Token, User, UserRole};
use rylie_db::own::sea_orm::TryIntoModel;
use rylie_db::own::{ActiveModelTrait, EntityTrait, OwnTable};
use rylie_db::prelude::{NewRequest, NewUser, Origin, RequestKind, SignedInUser, StoreExt, TenantScope, TenantUnit};

use super::World;
use crate::Result;
use crate::own::tables;

/// Builds a user; [`build`](Self::build) inserts the row and signs the user in.
#[derive(Debug)]
#[must_use = "the user is inserted by `build`"]
pub struct UserBuilder<'w> {
    pub(super) world: &'w World,
    pub(super) new: NewUser,
}

impl<'w> UserBuilder<'w> {
    /// Sets the agency.
    pub fn of(mut self, agency: &Agency) -> Self {
        self.new.agency = Some(agency.id.clone());
        self
    }

    /// Sets the role.
    pub fn role(mut self, role: UserRole) -> Self {
        self.new.role = Some(role);
        self
    }

    /// Sets the package, with a billing period that begins now.
    pub fn package(mut self, package: PackageType) -> Self {
        self.new.package = Some(package);
        self
    }

    /// Sets the email address.
    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.new.email);
        self
    }

    /// Inserts the user and signs in.
    pub async fn build(self) -> Result<TestUser<'w>> {
        let unit = self.world.platform().await?;
        let user = unit.users().add(self.new).await?;
        unit.commit().await?;
        self.world.sign_in(&user).await
    }
}

/// A signed-in user.
#[derive(Debug)]
pub struct TestUser<'w> {
    pub(super) world: &'w World,
    /// The row.
    pub user: User,
    /// The result of the sign-in.
    pub signed_in: SignedInUser,
    /// The session's token.
    pub session: Token,
}

impl TestUser<'_> {
    /// Returns the user's scope, with an empty origin.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        TenantScope::of(&self.signed_in, Origin::default())
    }

    /// Opens a unit with the user's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        Ok(self.world.store().tenant(&self.scope()).await?)
    }

    /// Adds and commits a request of the user. The clock advances by a second, so that the order is known.
    pub async fn request(&self) -> Result<Request> {
        self.world.env.forward(TimeDelta::seconds(1));
        let unit = self.unit().await?;
        let title = format!("Request {}", self.world.env.new_id());
        let new = NewRequest::new(title, RequestKind::Page);
        let request = unit.requests().add(new).await?;
        unit.commit().await?;
        Ok(request)
    }
}

impl TestUser<'_> {
    /// Adds and commits a row of an own table in the user's name: `ann.add(note::ActiveModel { … }).await?`. Columns
    /// without a value get their defaults. The clock advances by a second, so that the order is known.
    pub async fn add<A>(&self, row: A) -> Result<<A::Entity as EntityTrait>::Model>
    where
        A: ActiveModelTrait<Entity: OwnTable<ActiveModel = A>> + TryIntoModel<<A::Entity as EntityTrait>::Model>,
    {
        self.world.env.forward(TimeDelta::seconds(1));
        let unit = self.unit().await?;
        let row = tables(&*unit).of::<A::Entity>().add(row).await?;
        unit.commit().await?;
        Ok(row)
    }
}

/// An agency with a signed-in administrator.
#[derive(Debug)]
pub struct TestAgency<'w> {
    pub(super) world: &'w World,
    /// The row.
    pub agency: Agency,
    /// Its administrator.
    pub admin: TestUser<'w>,
}

impl<'w> TestAgency<'w> {
    /// Returns the administrator's scope.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        self.admin.scope()
    }

    /// Opens a unit with the administrator's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        self.admin.unit().await
    }

    /// Adds and commits a request of the administrator.
    pub async fn request(&self) -> Result<Request> {
        self.admin.request().await
    }

    /// Adds and commits a row of an own table in the administrator's name; see [`TestUser::add`].
    pub async fn add<A>(&self, row: A) -> Result<<A::Entity as EntityTrait>::Model>
    where
        A: ActiveModelTrait<Entity: OwnTable<ActiveModel = A>> + TryIntoModel<<A::Entity as EntityTrait>::Model>,
    {
        self.admin.add(row).await
    }

    /// Adds and signs in another user of the agency, with the role `USER`.
    pub async fn user(&self) -> Result<TestUser<'w>> {
        self.world.user().of(&self.agency).build().await
    }
}
