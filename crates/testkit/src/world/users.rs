//! Users and agencies of a world, signed in.

use chrono::TimeDelta;
use rylie_db::entities::{Agency, Env, PackageType, Request, Token, User, UserRole};
use rylie_db::prelude::{NewRequest, NewUser, Origin, RequestKind, SignedInUser, StoreExt, TenantScope, TenantUnit};

use super::World;
use crate::Result;

/// Makes a user; [`build`](Self::build) makes the row and signs the user in.
#[derive(Debug)]
#[must_use = "nothing is made before `build`"]
pub struct UserBuilder<'w> {
    pub(super) world: &'w World,
    pub(super) new: NewUser,
}

impl<'w> UserBuilder<'w> {
    /// Of this agency.
    pub fn of(mut self, agency: &Agency) -> Self {
        self.new.agency = Some(agency.id.clone());
        self
    }

    /// With this role.
    pub fn role(mut self, role: UserRole) -> Self {
        self.new.role = Some(role);
        self
    }

    /// With this package, and a billing period that begins now.
    pub fn package(mut self, package: PackageType) -> Self {
        self.new.package = Some(package);
        self
    }

    /// With this address.
    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.new.email);
        self
    }

    /// Makes the user and signs in.
    pub async fn build(self) -> Result<TestUser<'w>> {
        let unit = self.world.platform().await?;
        let user = unit.users().add(self.new).await?;
        unit.commit().await?;
        self.world.sign_in(&user).await
    }
}

/// A user who is signed in.
#[derive(Debug)]
pub struct TestUser<'w> {
    pub(super) world: &'w World,
    /// The row.
    pub user: User,
    /// What the session gave.
    pub signed_in: SignedInUser,
    /// The session's token.
    pub session: Token,
}

impl TestUser<'_> {
    /// The user's scope, from nowhere in particular.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        TenantScope::of(&self.signed_in, Origin::default())
    }

    /// A unit within the user's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        Ok(self.world.store().tenant(&self.scope()).await?)
    }

    /// A request of the user's, committed. The clock moves on by a second, so that the order is known.
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

/// An agency with an administrator, who is signed in.
#[derive(Debug)]
pub struct TestAgency<'w> {
    pub(super) world: &'w World,
    /// The row.
    pub agency: Agency,
    /// Its administrator.
    pub admin: TestUser<'w>,
}

impl<'w> TestAgency<'w> {
    /// The administrator's scope.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        self.admin.scope()
    }

    /// A unit within the administrator's reach.
    pub async fn unit(&self) -> Result<Box<dyn TenantUnit>> {
        self.admin.unit().await
    }

    /// A request of the administrator's, committed.
    pub async fn request(&self) -> Result<Request> {
        self.admin.request().await
    }

    /// Another user of the agency, with the role `USER`, signed in.
    pub async fn user(&self) -> Result<TestUser<'w>> {
        self.world.user().of(&self.agency).build().await
    }
}
