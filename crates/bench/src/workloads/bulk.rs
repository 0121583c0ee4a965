//! Bulk work: at least ten thousand rows in one call.

use chrono::{DateTime, TimeDelta};
use rylie_db::maintenance::{Sweep, close_usage as close_ended_periods, remove_expired};
use rylie_db::prelude::*;

use crate::dataset::{request, scatter};
use crate::measure::bulk;
use crate::service::Service;
use crate::{Result, settings};

const ROWS: u64 = 10_000;

/// Sets the status of ten thousand requests of the large agency.
pub(crate) async fn update_status(name: &str) -> Result<()> {
    const BEFORE: &str = "VACUUM \"Request\";\n";
    let service = Service::timed().await?;
    let scope = service.scope(1).await?;
    let ids = (0..ROWS).map(|number| request(5 + number * 20)).collect::<Result<Vec<_>>>()?;
    let (store, scope, ids) = (&service.store, &scope, &ids);
    bulk(name, ROWS, BEFORE, |repetition, _| async move {
        let status = if repetition % 2 == 1 { RequestStatus::Completed } else { RequestStatus::Cancelled };
        let unit = store.tenant(scope).await?;
        let done = unit.requests().set_status_many(ids, status).await?;
        unit.commit().await?;
        // Rows that already have the status are found but not written.
        Ok(done.asked - done.not_found)
    })
    .await
}

/// Adds ten thousand tasks to ten thousand requests of the large agency.
pub(crate) async fn insert_tasks(name: &str) -> Result<()> {
    const BEFORE: &str = "DELETE FROM \"Task\" WHERE \"title\" LIKE 'bulk %';\nVACUUM \"Task\";\n";
    let service = Service::timed().await?;
    let scope = service.scope(1).await?;
    let (store, scope) = (&service.store, &scope);
    bulk(name, ROWS, BEFORE, |repetition, _| async move {
        let unit = store.tenant(scope).await?;
        let done = unit.tasks().add_many(new_tasks(repetition)?).await?;
        unit.commit().await?;
        Ok(done.changed)
    })
    .await
}

fn new_tasks(repetition: u64) -> Result<Vec<(RequestId, NewTask)>> {
    let kinds = [TaskType::Page, TaskType::Blog, TaskType::GbpPost, TaskType::Improvement];
    let task = |(number, kind): (u64, TaskType)| {
        let of = request(5 * (1 + scatter(number * 17 + repetition, settings::requests() / 5)))?;
        let due = DateTime::from_timestamp_millis(1_750_000_000_000).ok_or("no such time")?;
        let task = NewTask {
            description: Some("Short note for the writer".into()),
            target_url: Some(format!("https://dealer.example/{number}")),
            priority: Some(RequestPriority::Medium),
            due: Some(due + TimeDelta::seconds(i64::try_from(number)?)),
            ..NewTask::new(format!("bulk {number}"), kind)
        };
        Ok((of, task))
    };
    (0..ROWS).zip(kinds.into_iter().cycle()).map(task).collect()
}

/// Closes one month of usage for all users.
pub(crate) async fn close_usage(name: &str) -> Result<()> {
    // The billing period has just ended, and the next one ends in a month.
    const BEFORE: &str = "TRUNCATE \"MonthlyUsage\";\n\
        UPDATE \"User\" SET \"pagesUsedThisPeriod\" = 3, \"blogsUsedThisPeriod\" = 2, \"gbpPostsUsedThisPeriod\" = 1, \
        \"improvementsUsedThisPeriod\" = 1, \"currentBillingPeriodStart\" = now() AT TIME ZONE 'UTC' - interval '1 month', \
        \"currentBillingPeriodEnd\" = now() AT TIME ZONE 'UTC';\nVACUUM (ANALYZE) \"User\";\n";
    let service = Service::timed().await?;
    let store = &service.store;
    bulk(name, settings::users(), BEFORE, |_, progress| async move {
        Ok(close_ended_periods(&**store, None, &Sweep { progress, ..Sweep::default() }).await?.users)
    })
    .await
}

/// Removes the expired sessions, half of all.
pub(crate) async fn remove_sessions(name: &str) -> Result<()> {
    const BEFORE: &str = "TRUNCATE \"Session\";\n\
        INSERT INTO \"Session\" (\"id\",\"tenantId\",\"sessionToken\",\"userId\",\"expires\") \
        SELECT 's' || n, u.\"tenantId\", 'tok-' || md5(n::text), u.\"id\", \
        (now() AT TIME ZONE 'UTC') + (CASE WHEN n % 2 = 0 THEN -1 ELSE 1 END) * (1 + n % 30) * interval '1 day' \
        FROM generate_series(1, $ROWS) n JOIN $OWNERS u ON u.place = 1 + n % $NUMBER;\nANALYZE \"Session\";\n";
    let service = Service::timed().await?;
    let store = &service.store;
    let expired = settings::sessions();
    bulk(name, expired, &with_owners(BEFORE, 2 * expired), |_, progress| async move {
        Ok(remove_expired(&**store, &Sweep { progress, ..Sweep::default() }).await?.sessions)
    })
    .await
}

/// Fills in the number of rows and the users to whom they belong.
pub(super) fn with_owners(sql: &str, rows: u64) -> String {
    const OWNERS: &str =
        "(SELECT row_number() OVER (ORDER BY \"id\") AS place, \"id\", \"tenantId\" FROM \"User\" LIMIT $NUMBER)";
    let number = settings::users().min(10_000).to_string();
    sql.replace("$ROWS", &rows.to_string()).replace("$OWNERS", OWNERS).replace("$NUMBER", &number)
}
