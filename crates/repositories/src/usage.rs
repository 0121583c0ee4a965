//! Usage: the counters of the period under way, and closed months.

use async_trait::async_trait;
use rylie_entities::monthly_usage::{Column, Entity};
use rylie_entities::{MonthlyUsage, TaskType, User, UserId, user};
use sea_orm::sea_query::{Expr, ExprTrait, Order, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, QueryOrder, Select};

use crate::cursor::Position;
use crate::fence::{Listed, Placed, Tx};
use crate::{KeysetPage, KeysetRequest, Page, PageRequest, Result};

/// Usage: counted on the user's own row while the period is under way, archived by month when it is closed.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UsageRepository: Send + Sync {
    /// Counts one more of a kind of work for the user, in one statement: concurrent calls are all counted.
    async fn count_one(&self, user: UserId, kind: TaskType) -> Result<User>;

    /// One month of one user, or `None` if it is not closed or not within reach. `month` is 1 to 12.
    async fn find(&self, user: UserId, year: i32, month: i32) -> Result<Option<MonthlyUsage>>;

    /// The latest month first; of one user, or of everybody within reach.
    async fn list(&self, user: Option<UserId>, page: PageRequest) -> Result<Page<MonthlyUsage>>;

    /// As [`list`](Self::list), as a walk by cursor: one statement a page, however far, and no total.
    async fn list_after(&self, user: Option<UserId>, page: KeysetRequest) -> Result<KeysetPage<MonthlyUsage>>;
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
        self.rows::<Entity>().filter(of(user.as_ref())).listed(Order::Desc).page(page).await
    }

    async fn list_after(&self, user: Option<UserId>, page: KeysetRequest) -> Result<KeysetPage<MonthlyUsage>> {
        self.rows::<Entity>().filter(of(user.as_ref())).walk(Order::Desc, &user, &page).await
    }
}

fn of(user: Option<&UserId>) -> Condition {
    Condition::all().add_option(user.map(|user| Column::UserId.eq(user)))
}

/// By month, the latest first, and then by id from below: the order of `MonthlyUsage_tenantId_year_month_idx`.
impl Listed for Entity {
    fn in_order(rows: Select<Self>, latest_first: Order) -> Select<Self> {
        rows.order_by(Column::Year, latest_first.clone()).order_by(Column::Month, latest_first).order_by(Column::Id, Order::Asc)
    }

    fn after(place: Position, _latest_first: &Order) -> Result<SimpleExpr> {
        let (year, month) = year_and_month(place.key);
        let row = || Expr::tuple([Column::Year.into_expr(), Column::Month.into_expr()]);
        let place_of_month = || Expr::tuple([Expr::val(year), Expr::val(month)]);
        // The first comparison is the index's condition, the second tells rows of the same month apart.
        let within = row().lt(place_of_month()).or(Column::Id.gt(place.id));
        Ok(row().lte(place_of_month()).and(within))
    }
}

impl Placed for MonthlyUsage {
    fn place(&self) -> Position {
        Position { key: (i64::from(self.year) << 32) | i64::from(self.month.cast_unsigned()), id: self.id.to_string() }
    }
}

/// Both halves of a place, whatever numbers an old row holds.
fn year_and_month(key: i64) -> (i32, i32) {
    let halves = key.to_be_bytes();
    let half = |from: usize| i32::from_be_bytes([halves[from], halves[from + 1], halves[from + 2], halves[from + 3]]);
    (half(0), half(4))
}
