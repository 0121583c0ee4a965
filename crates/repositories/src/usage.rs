//! Usage: the counters of the period under way, and closed months.

use async_trait::async_trait;
use rylie_entities::monthly_usage::{Column, Entity};
use rylie_entities::{MonthlyUsage, TaskType, User, UserId, user};
use sea_orm::sea_query::{ExprTrait, Order};
use sea_orm::{ColumnTrait, Condition};

use crate::fence::Tx;
use crate::{Page, PageRequest, Result};

/// Usage: counted on the user's own row while the period is under way, archived by month when it is closed.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UsageRepository: Send + Sync {
    /// Counts one more of a kind of work for the user, in one statement: concurrent calls are all counted.
    async fn count_one(&self, user: UserId, kind: TaskType) -> Result<User>;

    /// One month of one user, or `None` if it is not closed or not within reach. `month` is 1 to 12.
    async fn find(&self, user: UserId, year: i32, month: i32) -> Result<Option<MonthlyUsage>>;

    /// The month closed last first; of one user, or of everybody within reach.
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<MonthlyUsage>>;
}

#[async_trait]
impl UsageRepository for Tx {
    async fn count_one(&self, user: UserId, kind: TaskType) -> Result<User> {
        let counter = match kind {
            TaskType::Page => user::Column::PagesUsedThisPeriod,
            TaskType::Blog => user::Column::BlogsUsedThisPeriod,
            TaskType::GbpPost => user::Column::GbpPostsUsedThisPeriod,
            TaskType::Improvement => user::Column::ImprovementsUsedThisPeriod,
        };
        let one_more = counter.into_expr().add(1);
        self.update_expr::<user::Entity>(counter, one_more, user::Column::Id.eq(user), "User").await
    }

    async fn find(&self, user: UserId, year: i32, month: i32) -> Result<Option<MonthlyUsage>> {
        let of_month =
            Condition::all().add(Column::UserId.eq(user)).add(Column::Year.eq(year)).add(Column::Month.eq(month));
        self.rows::<Entity>().filter(of_month).one().await
    }

    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<MonthlyUsage>> {
        let of_user = Condition::all().add_option(user.map(|user| Column::UserId.eq(user)));
        self.rows::<Entity>().filter(of_user).order(Order::Desc, Column::ArchivedAt, Column::Id).page(page).await
    }
}
