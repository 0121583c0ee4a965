//! Closing billing periods: archives and resets each user's counters together.

use async_trait::async_trait;
use chrono::{DateTime, Datelike, Utc};
use rylie_audit::{Action, Event};
use rylie_entities::{MonthlyUsageId, Timestamp, User, UserId, monthly_usage, user};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{ColumnTrait, Condition, DbBackend, Value};

use crate::audit::AuditRepository;
use crate::tx::Tx;
use crate::usage::billing_period::{self, Month};
use crate::{Error, Result};

/// Closes billing periods, in walks over the users sorted by id.
///
/// A period is archived under the month in which it began. The next one begins at its end and lasts a month. It ends on
/// the same day, or on the last day of a shorter month, which does not move later ends. All times are in UTC.
///
/// Its methods have no errors of their own; see the [errors of every call](Error#errors-of-every-call).
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait UsageClosing: Send + Sync {
    /// Closes the ended period of the next `batch` users, after one. With a month, only periods that began in it.
    /// Archives their counters, resets them to zero and begins the next period.
    ///
    /// One statement on PostgreSQL and four on SQLite, for any number of users. It may be repeated and run
    /// concurrently: a period is closed once, and rows that another process locks are skipped. A second close of the
    /// same month adds to the archived row. Each walk closes one period per user, so a period that ended months ago
    /// needs as many walks. Recorded, if anything was closed.
    async fn close_ended(&self, month: Option<Month>, after: Option<UserId>, batch: u64) -> Result<ClosedBatch>;

    /// Returns the number of users with an ended, open period. With a month, only periods that began in it.
    async fn count_ended(&self, month: Option<Month>) -> Result<u64>;

    /// Closes the period of the next `batch` users with a package, after one, ended or not. Archives under the month of
    /// `at`; the new period begins at `at`.
    ///
    /// A period that began at `at` or later is skipped, so a reset for one instant happens once, for any number of
    /// calls and processes. Waits for rows that others lock. Recorded, if anything was closed.
    async fn reset_everyone(&self, at: DateTime<Utc>, after: Option<UserId>, batch: u64) -> Result<ClosedBatch>;

    /// Returns the number of users whose period [`reset_everyone`](Self::reset_everyone) would close.
    async fn count_everyone(&self, at: DateTime<Utc>) -> Result<u64>;
}

/// The outcome of a call of [`UsageClosing`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClosedBatch {
    /// Number of users whose period was closed.
    pub users: u64,
    /// The last user of the batch, after which to continue; `None` at the end.
    pub last: Option<UserId>,
    /// Whether the next period of a user of the batch has ended too, so that another walk would close it.
    pub behind: bool,
}

/// Locks, archives and resets in one statement. It returns the number of users, the last one, and whether one is behind.
const POSTGRES: &str = include_str!("closing/postgres.sql");
/// SQLite has no data-modifying CTE: first the last id is read, then both changes run up to it. The unit holds the
/// write lock from its beginning, so both statements see the same rows.
const SQLITE_ARCHIVE: &str = include_str!("closing/sqlite_archive.sql");
const SQLITE_RESET: &str = include_str!("closing/sqlite_reset.sql");

/// The SQL parts of one way to close periods. `$1` is now, `$2` the id after which the batch begins, `$3` its size. In
/// the statements of SQLite that change rows, `$3` is the last id.
struct Closing {
    /// The condition on the users.
    due: &'static str,
    /// The row lock on PostgreSQL.
    lock: &'static str,
    /// The instant whose month the counters are archived under.
    archived_under: &'static str,
    /// Begin and end of the next period; the end on PostgreSQL and on SQLite.
    next_start: &'static str,
    next_end: [&'static str; 2],
}

/// `$4` and `$5` are the bounds of the period's beginning.
const ENDED: Closing = Closing {
    due: r#""activePackageType" IS NOT NULL AND "currentBillingPeriodStart" IS NOT NULL AND "currentBillingPeriodEnd" <= $1
      AND "currentBillingPeriodStart" >= $4 AND "currentBillingPeriodStart" < $5"#,
    lock: "FOR UPDATE SKIP LOCKED",
    archived_under: r#""currentBillingPeriodStart""#,
    next_start: r#""User"."currentBillingPeriodEnd""#,
    next_end: [include_str!("closing/next_end_postgres.sql"), include_str!("closing/next_end_sqlite.sql")],
};

/// `$4` is the end of the new period.
const EVERYONE: Closing = Closing {
    due: r#""activePackageType" IS NOT NULL AND ("currentBillingPeriodStart" IS NULL OR "currentBillingPeriodStart" < $1)"#,
    lock: "FOR UPDATE",
    archived_under: "$1",
    next_start: "$1",
    next_end: ["$4", "$4"],
};

const COUNT_ENDED: &str = r#"SELECT count(*) FROM "User"
    WHERE "activePackageType" IS NOT NULL AND "currentBillingPeriodStart" IS NOT NULL AND "currentBillingPeriodEnd" <= $1
      AND "currentBillingPeriodStart" >= $2 AND "currentBillingPeriodStart" < $3"#;

const SQLITE_BATCH: &str = r#"SELECT count(*), max("id"), 0 FROM (
    SELECT "id" FROM "User" WHERE {due} AND "id" > $2 ORDER BY "id" LIMIT $3) AS batch"#;

const SQLITE_BEHIND: &str = r#"SELECT count(*) FROM "User" WHERE {due} AND "id" > $2 AND "id" <= $3"#;

impl Closing {
    fn fill(&self, sql: &str, engine: DbBackend) -> String {
        let next_end = self.next_end[usize::from(engine == DbBackend::Sqlite)];
        let parts = [
            ("{due}", self.due),
            ("{lock}", self.lock),
            ("{archived_under}", self.archived_under),
            ("{next_start}", self.next_start),
            ("{next_end}", next_end),
        ];
        parts.iter().fold(sql.to_owned(), |sql, (part, text)| sql.replace(part, text.trim()))
    }

    /// Closes the next batch. `values` are `$1`, `$2`, `$3` and the parameters of `due` and `next_end`.
    async fn run(&self, tx: &Tx, mut values: Vec<Value>) -> Result<ClosedBatch> {
        let engine = tx.engine();
        let batch = if engine == DbBackend::Sqlite {
            let mut batch = self.batch(tx, SQLITE_BATCH, values.clone()).await?;
            if let Some(last) = &batch.last {
                values[2] = last.into();
                tx.across_tenants()?.run(&self.fill(SQLITE_ARCHIVE, engine), values.clone()).await?;
                tx.across_tenants()?.run(&self.fill(SQLITE_RESET, engine), values.clone()).await?;
                batch.behind = tx.across_tenants()?.count(&self.fill(SQLITE_BEHIND, engine), values).await? > 0;
            }
            batch
        } else {
            self.batch(tx, POSTGRES, values).await?
        };
        if batch.users > 0 {
            tx.record(Event::new(Action::UsageClosed).with("users", batch.users)).await?;
        }
        Ok(batch)
    }

    async fn batch(&self, tx: &Tx, sql: &str, values: Vec<Value>) -> Result<ClosedBatch> {
        let rows = tx.across_tenants()?.rows(&self.fill(sql, tx.engine()), values).await?;
        let Some(row) = rows.first() else { return Ok(ClosedBatch::default()) };
        let users: i64 = row.try_get_by_index(0)?;
        let behind = row.try_get_by_index(2)?;
        Ok(ClosedBatch { users: users.cast_unsigned(), last: row.try_get_by_index(1)?, behind })
    }
}

#[async_trait]
impl UsageClosing for Tx {
    async fn close_ended(&self, month: Option<Month>, after: Option<UserId>, batch: u64) -> Result<ClosedBatch> {
        let (from, to) = bounds(month);
        let (now, after) = (self.now(), start_of(after));
        ENDED.run(self, vec![now.into(), after.into(), size(batch), from.into(), to.into()]).await
    }

    async fn count_ended(&self, month: Option<Month>) -> Result<u64> {
        let (from, to) = bounds(month);
        self.across_tenants()?.count(COUNT_ENDED, vec![self.now().into(), from.into(), to.into()]).await
    }

    async fn reset_everyone(&self, at: DateTime<Utc>, after: Option<UserId>, batch: u64) -> Result<ClosedBatch> {
        let (at, after) = (Timestamp::from(at), start_of(after));
        let end = billing_period::a_month_after(at);
        EVERYONE.run(self, vec![at.into(), after.into(), size(batch), end.into()]).await
    }

    async fn count_everyone(&self, at: DateTime<Utc>) -> Result<u64> {
        let sql = format!(r#"SELECT count(*) FROM "User" WHERE {}"#, EVERYONE.due);
        self.across_tenants()?.count(&sql, vec![Timestamp::from(at).into()]).await
    }
}

/// Returns the id to start after; an empty text sorts before every id.
fn start_of(after: Option<UserId>) -> String {
    after.map_or(String::new(), |after| after.to_string())
}

fn bounds(month: Option<Month>) -> (Timestamp, Timestamp) {
    month.map_or_else(billing_period::always, |month| (month.begin(), month.end()))
}

fn size(batch: u64) -> Value {
    i64::try_from(batch).unwrap_or(i64::MAX).into()
}

/// Maximum number of periods closed at once: those of a hundred years.
const MOST_PERIODS: usize = 1_200;

/// Closes the ended periods of one user in any kind of unit and returns the updated user. One statement if none has
/// ended. Fails with [`Error::Invalid`] for a period that ended more than a hundred years ago.
pub(crate) async fn close_ended_of(tx: &Tx, mut user: User) -> Result<User> {
    let mut closed = 0;
    while let Some((start, end)) = ended(&user, tx.now()) {
        if closed == MOST_PERIODS {
            let reason = "it ended more than a hundred years ago; give the user a current billing period";
            return Err(Error::Invalid { what: "the user's billing period", reason });
        }
        let same =
            Condition::all().add(user::Column::Id.eq(&user.id)).add(user::Column::CurrentBillingPeriodEnd.eq(end));
        let lock = user::ActiveModel { updated_at: Set(tx.now()), ..Default::default() };
        let locked = tx.update::<user::Entity>(lock, same.clone()).await?.pop();
        if let Some(locked) = locked {
            archive(tx, &locked, start).await?;
            closed += 1;
            user = tx.update_one::<user::Entity>(next_period(start, end), same, "User").await?;
            continue;
        }
        // Another process was faster, or the end is stored in a form that no statement matches. Do not retry that one
        // forever.
        user = tx.rows::<user::Entity>().filter(user::Column::Id.eq(&user.id)).get("User").await?;
        if ended(&user, tx.now()) == Some((start, end)) {
            return Err(Error::Contention);
        }
    }
    if closed > 0 {
        tx.record(Event::new(Action::UsageClosed).on(&user.id)).await?;
    }
    Ok(user)
}

fn ended(user: &User, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let (start, end) = (user.current_billing_period_start?, user.current_billing_period_end?);
    (user.active_package_type.is_some() && end <= now).then_some((start, end))
}

fn next_period(start: Timestamp, end: Timestamp) -> user::ActiveModel {
    user::ActiveModel {
        pages_used_this_period: Set(0),
        blogs_used_this_period: Set(0),
        gbp_posts_used_this_period: Set(0),
        improvements_used_this_period: Set(0),
        current_billing_period_start: Set(Some(end)),
        current_billing_period_end: Set(Some(billing_period::next_end(start, end))),
        ..Default::default()
    }
}

/// Adds the user's counters to the month's archived row, or inserts it. Every caller holds the lock on the user's row,
/// so no other process inserts it in between.
async fn archive(tx: &Tx, user: &User, start: Timestamp) -> Result<()> {
    use monthly_usage::{ActiveModel, Column, Entity};
    let (month, year) = (start.utc().month().cast_signed(), start.utc().year());
    let Some(package) = user.active_package_type else { return Err(Error::Contention) };
    let counters = [
        (Column::PagesUsed, user.pages_used_this_period),
        (Column::BlogsUsed, user.blogs_used_this_period),
        (Column::GbpPostsUsed, user.gbp_posts_used_this_period),
        (Column::ImprovementsUsed, user.improvements_used_this_period),
    ];
    let of_month =
        Condition::all().add(Column::UserId.eq(&user.id)).add(Column::Year.eq(year)).add(Column::Month.eq(month));
    let set = ActiveModel { package_type: Set(package), archived_at: Set(tx.now()), ..Default::default() };
    let more = counters.map(|(column, used)| (column, column.into_expr().add(used)));
    if tx.update_many::<Entity>(set, more.into(), of_month).await? > 0 {
        return Ok(());
    }
    let row = ActiveModel {
        id: Set(MonthlyUsageId::generate(tx.env())),
        user_id: Set(user.id.clone()),
        month: Set(month),
        year: Set(year),
        package_type: Set(package),
        pages_used: Set(user.pages_used_this_period),
        blogs_used: Set(user.blogs_used_this_period),
        gbp_posts_used: Set(user.gbp_posts_used_this_period),
        improvements_used: Set(user.improvements_used_this_period),
        archived_at: Set(tx.now()),
        tenant_id: Set(user.tenant_id.clone()),
    };
    tx.insert::<Entity>(row).await.map(|_| ())
}
