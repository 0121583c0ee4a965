//! Retention with concurrent writers. PostgreSQL only: SQLite has one writer at a time.

use std::time::Duration;

use chrono::TimeDelta;
use rylie_db::maintenance::{Sweep, purge_deleted};
use rylie_db::repositories::Expirable;

use crate::support::sql::Sql;

use super::world;

const MONTH: Duration = Duration::from_hours(720);

/// The job skips locked rows until the next run, without waiting or failing.
#[tokio::test]
async fn a_row_that_another_transaction_holds_is_left() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (held, free) = (agency.request().await.unwrap(), agency.request().await.unwrap());
    let unit = agency.unit().await.unwrap();
    unit.requests().remove(&held.id).await.unwrap();
    unit.requests().remove(&free.id).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(TimeDelta::days(31));
    let unit = agency.unit().await.unwrap();
    unit.requests().restore(&held.id).await.unwrap();

    let purge = async || purge_deleted(&*world.store(), MONTH, &Sweep::default()).await.unwrap().requests;
    assert_eq!(purge().await, 1);

    unit.commit().await.unwrap();
    assert_eq!(purge().await, 0, "it was brought back meanwhile");
}

#[tokio::test]
async fn a_locked_session_is_left_and_the_others_of_the_batch_are_removed() {
    let world = world().await;
    let user = world.user().build().await.unwrap().user;
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!(
        r#"DELETE FROM "Session"; INSERT INTO "Session" (id, "sessionToken", "userId", "tenantId", expires)
           SELECT 's' || n, 't' || n, '{}', '{}', now() - interval '30 years' FROM generate_series(1, 20) n"#,
        user.id,
        user.tenant_id.as_str()
    ))
    .await;
    let mut other = Sql::connect(world.url()).await;
    other.run(r#"BEGIN; SELECT 1 FROM "Session" WHERE id = 's7' FOR UPDATE"#).await;

    let unit = world.platform().await.unwrap();
    let removed = unit.expiry().remove(Expirable::Sessions, Duration::ZERO, 100).await.unwrap();
    // The unit is usable.
    assert_eq!(unit.expiry().count(Expirable::Sessions, Duration::ZERO).await.unwrap(), 1);
    unit.commit().await.unwrap();

    assert_eq!(removed, 19);
    other.run("ROLLBACK").await;
    assert_eq!(sql.one(r#"SELECT string_agg(id, ',') FROM "Session""#).await, "s7");
}
