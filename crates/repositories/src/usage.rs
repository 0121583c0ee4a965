//! Usage: the counters of the current billing period, and closed months.

pub(crate) mod billing_period;
mod closing;
mod quota;

use async_trait::async_trait;
use rylie_entities::monthly_usage::{Column, Entity};
use rylie_entities::{MonthlyUsage, TaskType, User, UserId, usage_event, user};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{ExprTrait, Order};
use sea_orm::{ColumnTrait, Condition};
use serde::Serialize;

use crate::tx::Tx;
use crate::usage::closing::close_ended_of;
use crate::{Error, KeysetPage, KeysetRequest, Page, PageRequest, Result};

pub use billing_period::Month;
#[cfg(feature = "mock")]
pub use closing::MockUsageClosing;
pub use closing::{ClosedBatch, UsageClosing};
pub use quota::{Quota, Quotas};

/// Usage: counted on the user's row during a period, archived by month when the period is closed.
///
/// A use counts in the billing period of its report, even if the work was done earlier: a closed month never changes. A
/// period that has ended and is not closed is closed first. Counters and quota therefore do not depend on when the job
/// runs.
///
/// A method names only its own errors; see also the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UsageRepository: Send + Sync {
    /// Counts one page. See [`use_one`](Self::use_one).
    async fn use_page(&self, user: &UserId, event: &str) -> Result<Used> {
        self.use_one(user, TaskType::Page, event).await
    }

    /// Counts one blog post. See [`use_one`](Self::use_one).
    async fn use_blog(&self, user: &UserId, event: &str) -> Result<Used> {
        self.use_one(user, TaskType::Blog, event).await
    }

    /// Counts one business-profile post. See [`use_one`](Self::use_one).
    async fn use_gbp_post(&self, user: &UserId, event: &str) -> Result<Used> {
        self.use_one(user, TaskType::GbpPost, event).await
    }

    /// Counts one improvement. See [`use_one`](Self::use_one).
    async fn use_improvement(&self, user: &UserId, event: &str) -> Result<Used> {
        self.use_one(user, TaskType::Improvement, event).await
    }

    /// Counts one use of a kind of work, once per `event`: the sender's key of 1 to 255 bytes.
    ///
    /// Exact under any concurrency. A repeated event is not counted again and is not an error. Sends four short
    /// statements. The user's row stays locked until the unit ends, so count late in a unit.
    ///
    /// Two events are the same if they have the same key, and the same user or tenant. A later move of the user does
    /// not change that. Another tenant may use the same key. Fails with [`Error::Conflict`] if the event was counted as
    /// another kind, or for another user of the tenant. Fails with [`Error::NotFound`] if the user is not within reach,
    /// and with [`Error::Invalid`] for a key of another length or with control characters.
    ///
    /// Fails with [`Error::QuotaExceeded`] if the user's package allows no more, or without a package. Nothing is
    /// counted then, the event may be delivered again later, and the unit continues. An event is stored until the job
    /// `remove_usage_events` removes it.
    ///
    /// Fails with [`Error::Contention`] if the user moves or is deleted during the call. Fails with [`Error::Invalid`]
    /// if the user's billing period ended more than a hundred years ago.
    async fn use_one(&self, user: &UserId, kind: TaskType, event: &str) -> Result<Used>;

    /// Returns one month of one user, or `None` if it is not closed or not within reach. `month` is 1 to 12.
    async fn find(&self, user: &UserId, year: i32, month: i32) -> Result<Option<MonthlyUsage>>;

    /// Returns one page of one user or of all users within reach, latest month first.
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<MonthlyUsage>>;

    /// As [`list`](Self::list), as a keyset walk: one statement per page at any depth, and no total.
    async fn list_after(&self, user: Option<UserId>, page: KeysetRequest) -> Result<KeysetPage<MonthlyUsage>>;
}

/// The outcome of counting one use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Used {
    /// Uses of the kind in the current period, including this one.
    pub used: u32,
    /// Uses that the package allows in a period.
    pub limit: u32,
    /// Whether the event was counted before, and therefore not now.
    pub repeated: bool,
}

#[async_trait]
impl UsageRepository for Tx {
    async fn use_one(&self, user: &UserId, kind: TaskType, event: &str) -> Result<Used> {
        let event = checked(event)?;
        let user = self.rows::<user::Entity>().filter(user::Column::Id.eq(user)).at_once().get("User").await?;
        let user = close_ended_of(self, user).await?;
        for _ in 0..ATTEMPTS {
            if is_counted(self, &user, kind, event).await? {
                return Ok(used(&user, kind, self.quotas(), true));
            }
            if remember(self, &user, kind, event).await? {
                return count_or_forget(self, &user, kind, event).await;
            }
        }
        // It was counted in this tenant for a user outside this unit's reach, or for one who has left.
        Err(counted_otherwise())
    }

    async fn find(&self, user: &UserId, year: i32, month: i32) -> Result<Option<MonthlyUsage>> {
        let of_month =
            Condition::all().add(Column::UserId.eq(user)).add(Column::Year.eq(year)).add(Column::Month.eq(month));
        self.rows::<Entity>().filter(of_month).one().await
    }

    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<MonthlyUsage>> {
        self.rows::<Entity>().filter(of(user.as_ref())).listed(Order::Desc).page(page).await
    }

    async fn list_after(&self, user: Option<UserId>, page: KeysetRequest) -> Result<KeysetPage<MonthlyUsage>> {
        self.rows::<Entity>().filter(of(user.as_ref())).walk(Order::Desc, &user, &page).await
    }
}

/// Attempts to find or insert an event. Another unit may insert it in between, and this one waits for its end. The
/// event may then be removed again before it is found.
const ATTEMPTS: usize = 3;

fn of(user: Option<&UserId>) -> Condition {
    Condition::all().add_option(user.map(|user| Column::UserId.eq(user)))
}

/// Returns whether the event was counted for this user. Fails with [`Error::Conflict`] if it was counted for another
/// user within reach.
async fn is_counted(tx: &Tx, user: &User, kind: TaskType, event: &str) -> Result<bool> {
    use usage_event::Column;
    let of_tenant = Condition::all().add(Column::TenantId.eq(&user.tenant_id)).add(Column::Key.eq(event));
    let known = tx.rows::<usage_event::Entity>().filter(of_tenant).all().await?;
    match known.iter().find(|known| known.user_id == user.id) {
        Some(known) if known.kind == kind => Ok(true),
        None if known.is_empty() => Ok(false),
        _ => Err(counted_otherwise()),
    }
}

/// Inserts the event. Returns `false` if another unit was faster; this call has waited for its end.
async fn remember(tx: &Tx, user: &User, kind: TaskType, event: &str) -> Result<bool> {
    let row = usage_event::ActiveModel {
        id: Set(usage_event::UsageEventId::generate(tx.env())),
        user_id: Set(user.id.clone()),
        key: Set(event.to_owned()),
        kind: Set(kind),
        counted_at: Set(tx.now()),
        tenant_id: Set(user.tenant_id.clone()),
        counted_in: Set(Some(user.tenant_id.clone())),
    };
    match tx.insert_unless_there::<usage_event::Entity>(row).await {
        // The user has moved to another tenant, or was deleted, since this unit read the row.
        Err(Error::Reference { .. }) => Err(Error::Contention),
        done => done,
    }
}

/// Counts the inserted event, or deletes it where the quota allows no more.
async fn count_or_forget(tx: &Tx, user: &User, kind: TaskType, event: &str) -> Result<Used> {
    if let Some(user) = count(tx, user, kind).await? {
        return Ok(used(&user, kind, tx.quotas(), false));
    }
    tx.delete_one::<usage_event::Entity>(of_event(user, event), "UsageEvent").await?;
    Err(Error::QuotaExceeded { kind, limit: limit(user, kind, tx.quotas()) })
}

/// Adds one in one statement if the package of the row allows it; otherwise returns `None`.
async fn count(tx: &Tx, user: &User, kind: TaskType) -> Result<Option<User>> {
    use rylie_entities::PackageType::{Gold, Platinum, Silver};
    let counter = counter(kind);
    let mut allowed = Condition::any();
    for package in [Silver, Gold, Platinum] {
        let limit = i32::try_from(tx.quotas().of(package).limit(kind)).unwrap_or(i32::MAX);
        let below = Condition::all().add(user::Column::ActivePackageType.eq(package)).add(counter.lt(limit));
        allowed = allowed.add(below);
    }
    let row = Condition::all().add(user::Column::Id.eq(&user.id)).add(allowed);
    match tx
        .update_expr::<user::Entity>(user::ActiveModel::default(), (counter, counter.into_expr().add(1)), row, "User")
        .await
    {
        Ok(user) => Ok(Some(user)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn of_event(user: &User, event: &str) -> Condition {
    Condition::all().add(usage_event::Column::UserId.eq(&user.id)).add(usage_event::Column::Key.eq(event))
}

fn counted_otherwise() -> Error {
    Error::Conflict { entity: "UsageEvent".to_owned(), field: "key".to_owned() }
}

fn counter(kind: TaskType) -> user::Column {
    match kind {
        TaskType::Page => user::Column::PagesUsedThisPeriod,
        TaskType::Blog => user::Column::BlogsUsedThisPeriod,
        TaskType::GbpPost => user::Column::GbpPostsUsedThisPeriod,
        TaskType::Improvement => user::Column::ImprovementsUsedThisPeriod,
    }
}

fn used(user: &User, kind: TaskType, quotas: &Quotas, repeated: bool) -> Used {
    let counted = match kind {
        TaskType::Page => user.pages_used_this_period,
        TaskType::Blog => user.blogs_used_this_period,
        TaskType::GbpPost => user.gbp_posts_used_this_period,
        TaskType::Improvement => user.improvements_used_this_period,
    };
    Used { used: u32::try_from(counted).unwrap_or(0), limit: limit(user, kind, quotas), repeated }
}

fn limit(user: &User, kind: TaskType, quotas: &Quotas) -> u32 {
    user.active_package_type.map_or(0, |package| quotas.of(package).limit(kind))
}

fn checked(event: &str) -> Result<&str> {
    if (1..=255).contains(&event.len()) && !event.contains(char::is_control) {
        return Ok(event);
    }
    Err(Error::Invalid { what: "the event's key", reason: "it must have 1 to 255 bytes and no control characters" })
}
