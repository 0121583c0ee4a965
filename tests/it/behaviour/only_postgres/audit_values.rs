//! Times in the audit log that a role or the old service writes. PostgreSQL only: SQLite has no roles, and stores a
//! time as text.

use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;

use super::world;
use crate::support::audit::{ODD, Outside, odd_rows};
use crate::support::sql::Sql;

#[tokio::test]
async fn the_units_of_tenants_and_identities_do_not_say_when() {
    let world = world().await;
    let mut sql = Sql::connect(world.url()).await;
    for (role, position) in [("rylie_tenant", 9_001), ("rylie_identity", 9_002)] {
        for (number, time) in ODD.iter().chain(&["'2020-01-01 00:00:00'"]).enumerate() {
            sql.run(&format!(
                "BEGIN; SET LOCAL ROLE {role}; SET LOCAL rylie.tenant = 'north'; INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", \"createdAt\", position) \
                 VALUES ('{role}{number}', 'x', 'x', 'y', 'north', {time}, {position}); COMMIT"
            ))
            .await;
        }
    }

    let wrong = "SELECT count(*)::text FROM \"AuditLog\" WHERE \"tenantId\" = 'north' \
         AND (position > 9000 OR abs(extract(epoch FROM \"createdAt\" - now() AT TIME ZONE 'UTC')) > 600)";
    assert_eq!(sql.one("SELECT count(*)::text FROM \"AuditLog\" WHERE \"tenantId\" = 'north'").await, "10");
    assert_eq!(sql.one(wrong).await, "0");
}

#[tokio::test]
async fn the_old_service_says_when_as_far_as_a_reader_can_hold_it() {
    let world = world().await;
    let mut sql = Sql::connect(world.url()).await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"createdAt\") VALUES ('old', 'x', 'x', 'y', '2020-01-01'), ('odd', 'x', 'x', 'y', 'infinity')").await;

    assert_eq!(sql.one("SELECT \"createdAt\"::text FROM \"AuditLog\" WHERE id = 'old'").await, "2020-01-01 00:00:00");
    assert_eq!(sql.one("SELECT isfinite(\"createdAt\")::text FROM \"AuditLog\" WHERE id = 'odd'").await, "true");
}

#[tokio::test]
async fn rows_with_times_that_no_reader_can_hold_are_listed() {
    let world = world().await;
    let odd = odd_rows(&world, "platform").await;
    let unit = world.platform().await.unwrap();
    let filter = || AuditFilter { action: Some("x".to_owned()), ..AuditFilter::default() };

    let listed = unit.audit().list(filter(), PageRequest::new(10, 0)).await.unwrap().items;
    let walked = unit.audit().list_after(filter(), KeysetRequest::first(10)).await.unwrap().items;

    assert_eq!((listed.len() as u64, walked.len() as u64), (odd, odd));
    let mut page = KeysetRequest::first(1);
    for pages in 0.. {
        assert!(pages < 20, "it is walked for ever");
        let found = unit.audit().list_after(filter(), page).await.unwrap();
        let Some(next) = found.next else { break };
        page = KeysetRequest::after(1, next);
    }
}

#[tokio::test]
async fn a_record_that_no_server_can_send_is_sealed_and_verified() {
    let (world, outside) = (world().await, Outside::new());
    let mut sql = Sql::connect(world.url()).await;
    let into =
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", \"userAgent\", \"ipAddress\")";
    sql.run(&format!("{into} VALUES ('b1', 'x', 'BIG', 'y', 'platform', repeat('x', 550 * 1024 * 1024), NULL)")).await;
    // Stored compressed, so it costs its writer nothing.
    sql.run(&format!("{into} SELECT 'b2', 'x', 'BIG', 'y', 'platform', \"userAgent\", \"userAgent\" FROM \"AuditLog\" WHERE id = 'b1'"))
        .await;

    assert!(outside.seal(&world).await >= 2);

    assert_eq!(outside.verify(&world).await.first_bad, None);
    let unit = world.platform().await.unwrap();
    let filter = AuditFilter { action: Some("BIG".to_owned()), ..AuditFilter::default() };
    let listed = unit.audit().list_after(filter, KeysetRequest::first(10)).await.unwrap().items;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|record| record.user_agent.as_ref().unwrap().ends_with("[... 576716800 bytes]")));
}
