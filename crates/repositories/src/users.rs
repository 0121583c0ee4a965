//! Users of one tenant or of all tenants.
//!
//! This file is long because inputs, trait and implementation of a repository are in one file.

mod agencies;
mod preferences;

use async_trait::async_trait;
use rylie_audit::{Action, Event};
use rylie_entities::user::{ActiveModel, Column, Entity};
use rylie_entities::{AgencyId, PackageType, TenantId, User, UserId, UserRole, agency};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Func, Order, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, DerivePartialModel};
use serde::{Deserialize, Serialize};

use crate::audit::AuditRepository;
use crate::limits;
use crate::tx::Tx;
use crate::usage::billing_period::a_month_after;
use crate::{Error, KeysetPage, KeysetRequest, Page, PageRequest, Patch, Result};

pub use agencies::*;
pub use preferences::*;

/// Users: a tenant unit reaches those of the tenant, a platform unit all.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UserRepository: Send + Sync {
    /// Returns the user, or `None` if there is no such user within reach.
    async fn find(&self, id: &UserId) -> Result<Option<User>>;

    /// Returns those of the users that exist within reach, in no particular order. One statement for any number.
    async fn find_many(&self, ids: &[UserId]) -> Result<Vec<User>>;

    /// As [`find`](Self::find), but fails with [`Error::NotFound`].
    async fn get(&self, id: &UserId) -> Result<User>;

    /// Returns one page, oldest first.
    async fn list(&self, filter: UserFilter, page: PageRequest) -> Result<Page<User>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page at any depth, and no total.
    async fn list_after(&self, filter: UserFilter, page: KeysetRequest) -> Result<KeysetPage<User>>;

    /// Returns the summaries of colleagues, sorted by name, at most [`PageRequest::MAX_LIMIT`].
    async fn summaries(&self) -> Result<Vec<UserSummary>>;

    /// Creates a user. In a tenant unit the user always belongs to that tenant's agency. Recorded.
    ///
    /// Fails with [`Error::Forbidden`] for a scope that reaches only its own rows, and for a super admin within a
    /// tenant. It also does in a tenant that is no agency. Fails with [`Error::Conflict`] if the address is taken, and
    /// with [`Error::NotFound`] if the agency does not exist. Fails with [`Error::Invalid`] for an address that is not
    /// of the form `name@domain`, and for an address or a name that is too long.
    async fn add(&self, new: NewUser) -> Result<User>;

    /// Applies `changes`.
    ///
    /// Fails with [`Error::NotFound`] if there is no such user within reach. Fails with [`Error::Forbidden`] for a
    /// super admin other than the caller within a tenant. It also does for a change of the package by a scope that
    /// reaches only its own rows. Fails with [`Error::Invalid`] for a name or URL of more than 4,096 bytes.
    async fn update(&self, id: &UserId, changes: UserChanges) -> Result<User>;

    /// Changes the role. Recorded with the old and the new one.
    ///
    /// Fails with [`Error::NotFound`] if there is no such user within reach. Fails with [`Error::Forbidden`] for a
    /// scope that reaches only its own rows. Within a tenant it also does if the old or the new role is super admin.
    /// Fails with [`Error::Contention`] if other units change the role at the same time.
    async fn set_role(&self, id: &UserId, role: UserRole) -> Result<User>;

    /// Moves the user to an agency, or out of any. Platform units only: another unit fails with [`Error::Forbidden`].
    /// Recorded with the old and the new one.
    ///
    /// Sessions, accounts, connections and usage follow the user to the new tenant, and the user's tokens still open.
    /// The requests stay in the agency that ordered them. Fails with [`Error::NotFound`] if there is no such user or
    /// agency, and with [`Error::Contention`] if another unit moves the user at the same time. Fails with
    /// [`Error::Reference`] if a row that follows the user refers to one that stays.
    async fn move_to(&self, id: &UserId, agency: Option<AgencyId>) -> Result<User>;

    /// Deletes the user with sessions, accounts, connections and usage. Recorded. Audit records stay.
    ///
    /// Fails with [`Error::NotFound`] if there is no such user within reach, and with [`Error::Forbidden`] as
    /// [`set_role`](Self::set_role) does. Fails with [`Error::Reference`] while the user has requests or tasks, or a
    /// row of a service's own table names the user.
    async fn remove(&self, id: &UserId) -> Result<()>;
}

/// A user to create. JSON cannot set the agency, and unknown fields are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUser {
    /// The address to sign in with.
    pub email: String,
    /// The name that others see.
    pub name: Option<String>,
    /// The rights of the user; [`UserRole::User`] by default.
    pub role: Option<UserRole>,
    /// The agency, in a platform unit. A tenant unit ignores it.
    #[serde(skip)]
    pub agency: Option<AgencyId>,
    /// The package paid for. With one, a billing period of a month begins now.
    #[serde(rename = "activePackageType")]
    pub package: Option<PackageType>,
    /// Whether the onboarding is completed.
    #[serde(rename = "onboardingCompleted")]
    pub onboarded: bool,
}

impl NewUser {
    /// Creates a user with an address only.
    pub fn new(email: impl Into<String>) -> Self {
        Self { email: email.into(), ..Self::default() }
    }
}

/// Changes of a user; `None` and [`Patch::Keep`] keep the value. JSON with unknown fields is refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct UserChanges {
    /// The name that others see.
    pub name: Patch<String>,
    /// URL of a picture.
    pub image: Patch<String>,
    /// Whether the onboarding is completed.
    pub onboarding_completed: Option<bool>,
    /// The package paid for; administrators only. A billing period begins now if none is running. Clearing the package
    /// does not end the billing period.
    #[serde(rename = "activePackageType")]
    pub package: Patch<PackageType>,
}

/// Selects users.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UserFilter {
    /// Only users with this role.
    pub role: Option<UserRole>,
    /// Only users of this agency.
    pub agency: Option<AgencyId>,
}

/// A user in a list of colleagues.
#[derive(Clone, Debug, DerivePartialModel, Eq, PartialEq, Serialize)]
#[sea_orm(entity = "Entity")]
#[serde(rename_all = "camelCase")]
pub struct UserSummary {
    /// The user's id.
    pub id: UserId,
    /// The name.
    pub name: Option<String>,
    /// The address.
    pub email: String,
    /// The rights of the user.
    pub role: UserRole,
}

impl UserFilter {
    fn condition(self) -> Condition {
        Condition::all()
            .add_option(self.role.map(|role| Column::Role.eq(role)))
            .add_option(self.agency.map(|agency| Column::AgencyId.eq(agency)))
    }
}

#[async_trait]
impl UserRepository for Tx {
    async fn find(&self, id: &UserId) -> Result<Option<User>> {
        self.of::<Entity>().find(id).await
    }

    async fn find_many(&self, ids: &[UserId]) -> Result<Vec<User>> {
        self.of::<Entity>().find_many(ids).await
    }

    async fn get(&self, id: &UserId) -> Result<User> {
        self.of::<Entity>().get(id).await
    }

    async fn list(&self, filter: UserFilter, page: PageRequest) -> Result<Page<User>> {
        self.rows::<Entity>().filter(filter.condition()).listed(Order::Asc).at_once().page(page).await
    }

    async fn list_after(&self, filter: UserFilter, page: KeysetRequest) -> Result<KeysetPage<User>> {
        self.rows::<Entity>().filter(filter.clone().condition()).at_once().walk(Order::Asc, &filter, &page).await
    }

    async fn summaries(&self) -> Result<Vec<UserSummary>> {
        let rows = self.rows::<Entity>().order(Order::Asc, Column::Name, Column::Id);
        rows.limit(PageRequest::MAX_LIMIT).all_as::<UserSummary>().await
    }

    async fn add(&self, new: NewUser) -> Result<User> {
        let role = new.role.unwrap_or(UserRole::User);
        may_assign(self, role)?;
        let email = checked_email(&new.email)?;
        refuse_taken(self, &email).await?;
        let agency = self.scope().map_or(new.agency, |scope| scope.user().agency().cloned());
        let id = UserId::generate(self.env());
        if self.scope().is_some() && agency.is_none() {
            return Err(self.refuse("add users to a tenant that is no agency"));
        }
        let row = ActiveModel {
            tenant_id: Set(TenantId::of_user(&id, agency.as_ref())),
            id: Set(id),
            email: Set(email),
            name: Set(new.name.map(|name| limits::line("the name", name)).transpose()?),
            role: Set(role),
            agency_id: Set(agency),
            onboarding_completed: Set(new.onboarded),
            active_package_type: Set(new.package),
            current_billing_period_start: Set(new.package.map(|_| self.now())),
            current_billing_period_end: Set(new.package.map(|_| a_month_after(self.now()))),
            created_at: Set(self.now()),
            updated_at: Set(self.now()),
            ..Default::default()
        };
        let user = self.insert::<Entity>(row).await.map_err(|error| error.reference_is_missing("Agency"))?;
        self.record(Event::new(Action::UserCreated).on(&user.id).with("role", role)).await?;
        Ok(user)
    }

    async fn update(&self, id: &UserId, changes: UserChanges) -> Result<User> {
        let before = self.owner(Some(id)).await?;
        let mut set = ActiveModel { updated_at: Set(self.now()), ..Default::default() };
        set.name = changes.name.checked(|name| limits::line("the name", name))?.into_active();
        set.image = changes.image.checked(|url| limits::line("the picture's address", url))?.into_active();
        if let Some(done) = changes.onboarding_completed {
            set.onboarding_completed = Set(done);
        }
        if changes.package != Patch::Keep {
            self.administrators_only("change a package")?;
            set.active_package_type = changes.package.into_active();
            if changes.package != Patch::Clear && before.current_billing_period_end.is_none() {
                set.current_billing_period_start = Set(Some(self.now()));
                set.current_billing_period_end = Set(Some(a_month_after(self.now())));
            }
        }
        self.update_one::<Entity>(set, Column::Id.eq(before.id), "User").await
    }

    async fn set_role(&self, id: &UserId, role: UserRole) -> Result<User> {
        may_assign(self, role)?;
        let before = UserRepository::get(self, id).await?;
        if let Some(user) = change_role(self, &before, role).await? {
            return Ok(user);
        }
        // Another unit has changed it in between.
        let before = self.of::<Entity>().get_for_update(id).await?;
        change_role(self, &before, role).await?.ok_or(Error::Contention)
    }

    async fn move_to(&self, id: &UserId, agency: Option<AgencyId>) -> Result<User> {
        self.across_tenants()?;
        let before = UserRepository::get(self, id).await?;
        if before.agency_id == agency {
            return Ok(before);
        }
        if let Some(agency) = &agency {
            let there = self.rows::<agency::Entity>().filter(agency::Column::Id.eq(agency)).one().await?;
            there.ok_or(Error::NotFound { entity: "Agency" })?;
        }
        let mut event = Event::new(Action::UserMoved).on(id);
        event = event.changed("agency", &before.agency_id, &agency);
        // The database derives the tenant from the agency, and its foreign keys carry the user's rows along.
        let set = ActiveModel { agency_id: Set(agency), updated_at: Set(self.now()), ..Default::default() };
        // The condition includes the old agency: after a concurrent move the record would be wrong.
        let unchanged = Condition::all().add(Column::Id.eq(id)).add(match before.agency_id {
            Some(agency) => Column::AgencyId.eq(agency),
            None => Column::AgencyId.is_null(),
        });
        let moved = rylie_tenancy::Tx::update::<Entity>(self, set, unchanged).await;
        // Rows that follow the user may refer to others that stay.
        let of_agency = |error: &Error| match error {
            Error::Reference { constraint } => constraint.as_deref() == Some("User_agencyId_fkey"),
            _ => false,
        };
        let moved = moved.map_err(|error| if of_agency(&error) { error.reference_is_missing("Agency") } else { error });
        moved?.pop().ok_or(Error::Contention)?;
        self.record(event).await?;
        // Read again: on SQLite a trigger sets the tenant after the statement.
        UserRepository::get(self, id).await
    }

    async fn remove(&self, id: &UserId) -> Result<()> {
        let user = UserRepository::get(self, id).await?;
        may_assign(self, user.role)?;
        self.delete_one::<Entity>(Column::Id.eq(id), "User").await?;
        self.record(Event::new(Action::UserDeleted).on(id).with("role", user.role)).await
    }
}

/// Changes the role and records it, if the user still has the role of `before`: else the record would be wrong.
async fn change_role(tx: &Tx, before: &User, role: UserRole) -> Result<Option<User>> {
    may_assign(tx, before.role)?;
    let set = ActiveModel { role: Set(role), updated_at: Set(tx.now()), ..Default::default() };
    let unchanged = Condition::all().add(Column::Id.eq(&before.id)).add(Column::Role.eq(before.role));
    let event = Event::new(Action::UserRoleUpdate).on(&before.id).changed("role", before.role, role);
    Ok(tx.update_recorded::<Entity>(set, unchanged, event).await?.pop())
}

/// An agency's administrator may give and take every role except super admin.
fn may_assign(tx: &Tx, role: UserRole) -> Result<()> {
    tx.administrators_only("administer users")?;
    if tx.scope().is_some() && role == UserRole::SuperAdmin {
        return Err(tx.refuse("make or change a super admin"));
    }
    Ok(())
}

/// The address in lower case, as an expression that the index `User_email_lower_idx` serves.
pub(crate) fn lower_email() -> SimpleExpr {
    Func::lower(Expr::col((Entity, Column::Email))).into()
}

/// Rejects an address that exists in any case. The old service stored mixed case, so the unique index is not enough.
pub(crate) async fn refuse_taken(tx: &Tx, email: &str) -> Result<()> {
    match tx.rows::<Entity>().filter(lower_email().eq(email)).one().await? {
        Some(_) => Err(Error::Conflict { entity: "User".to_owned(), field: "email".to_owned() }),
        None => Ok(()),
    }
}

/// Normalises an address to lower case, as the sign-in does. The maximum is 254 bytes (RFC 5321, 4.5.3.1.3).
pub(crate) fn checked_email(email: &str) -> Result<String> {
    let email = email.trim().to_lowercase();
    let parts = email.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if parts.is_none() || email.len() > 254 || email.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Error::Invalid {
            what: "the e-mail address",
            reason: "it must have the form name@domain, 254 bytes at most",
        });
    }
    Ok(email)
}
