//! Which totals are kept by the database, and which are counted.

use rylie_db::prelude::*;

use super::world;
use crate::support::sql::Sql;
use crate::support::tenant_rows::full_agency;

async fn total(unit: &dyn TenantUnit, status: Option<RequestStatus>) -> u64 {
    let filter = RequestFilter { status, ..RequestFilter::default() };
    unit.requests().list(filter, PageRequest::new(1, 0)).await.unwrap().total
}

#[tokio::test]
async fn a_page_has_the_kept_total_for_all_and_by_status_and_counts_otherwise() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let ann = agency.user().await.unwrap();
    for _ in 0..3 {
        ann.request().await.unwrap();
    }
    let done = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.requests().set_status(&done.id, RequestStatus::Completed).await.unwrap();
    // The unit's own changes count at once.
    assert_eq!(total(&*unit, Some(RequestStatus::Completed)).await, 1);
    unit.commit().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    // A false number shows which totals are kept.
    let tenant = agency.agency.tenant_id.as_str().to_owned();
    sql.run(&format!(
        "UPDATE \"RequestCount\" SET requests = requests + 1000 WHERE status = 'PENDING' AND \"tenantId\" = '{tenant}' \
         AND id = (SELECT min(id) FROM \"RequestCount\" WHERE status = 'PENDING' AND \"tenantId\" = '{tenant}')"
    ))
    .await;

    let unit = agency.unit().await.unwrap();
    assert_eq!(total(&*unit, None).await, 1004);
    assert_eq!(total(&*unit, Some(RequestStatus::Pending)).await, 1003);
    assert_eq!(total(&*unit, Some(RequestStatus::Completed)).await, 1);
    let of = |filter| async { unit.requests().list(filter, PageRequest::new(1, 0)).await.unwrap().total };
    assert_eq!(of(RequestFilter { user: Some(ann.user.id.clone()), ..Default::default() }).await, 3);
    assert_eq!(of(RequestFilter { kind: Some(RequestKind::Other(done.kind.clone())), ..Default::default() }).await, 4);
    assert_eq!(of(RequestFilter { deleted: true, ..Default::default() }).await, 0);
    let limited = PageRequest::new(1, 0).counting_to(10);
    assert_eq!(unit.requests().list(RequestFilter::default(), limited).await.unwrap().total, 10);
    let behind = PageRequest::new(10, 50);
    assert_eq!(unit.requests().list(RequestFilter::default(), behind).await.unwrap().total, 1004);
    drop(unit);
    let hers = ann.unit().await.unwrap();
    assert_eq!(total(&*hers, None).await, 3);
    assert_eq!(total(&*hers, Some(RequestStatus::Pending)).await, 3);
}

/// The numbers that differ from the table.
const DIFFERENCES: &str = "SELECT count(*) || '' FROM (SELECT 1 FROM (SELECT \"tenantId\", status, count(*) AS n FROM \"Request\" WHERE NOT deleted GROUP BY 1, 2 \
     UNION ALL SELECT \"tenantId\", status, -requests FROM \"RequestCount\") AS b GROUP BY \"tenantId\", status HAVING sum(n) <> 0) AS d";

#[tokio::test]
async fn every_call_that_writes_requests_keeps_the_numbers() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let unit = agency.unit().await.unwrap();
    let new = |n: u32| NewRequest::new(format!("t{n}"), RequestKind::Page);
    unit.requests().add_many((0..30).map(new).collect()).await.unwrap();
    let all = unit.requests().list(RequestFilter::default(), PageRequest::new(100, 0)).await.unwrap();
    assert_eq!((all.total, total(&*unit, None).await), (30, 30));
    let ids: Vec<_> = all.items.iter().map(|request| request.id.clone()).collect();
    unit.commit().await.unwrap();
    assert_eq!(sql.one(DIFFERENCES).await, "0");

    let unit = agency.unit().await.unwrap();
    unit.requests().set_status_many(&ids[..20], RequestStatus::Completed).await.unwrap();
    unit.requests().remove_many(&ids[10..25]).await.unwrap();
    unit.requests().restore(&ids[10]).await.unwrap();
    unit.requests().purge_many(&ids[12..14]).await.unwrap();
    assert_eq!(total(&*unit, None).await, 16);
    assert_eq!(total(&*unit, Some(RequestStatus::Completed)).await, 11);
    unit.commit().await.unwrap();
    assert_eq!(sql.one(DIFFERENCES).await, "0");
    let undone = agency.unit().await.unwrap();
    undone.requests().add(new(0)).await.unwrap();
    drop(undone);
    assert_eq!(sql.one(DIFFERENCES).await, "0");

    let full = full_agency(&world).await;
    assert_eq!(sql.one(DIFFERENCES).await, "0");
    world.database().erase_tenant(&full.agency.tenant_id).await.unwrap();
    world.database().erase_tenant(&agency.agency.tenant_id).await.unwrap();
    assert_eq!(sql.one("SELECT count(*) || '' FROM \"RequestCount\"").await, "0");
}

/// Writers of the old service do not name the tenant.
#[tokio::test]
async fn a_request_of_the_old_service_is_counted_for_the_tenant_that_it_gets() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let (user, agency_id) = (agency.admin.user.id.to_string(), agency.agency.id.to_string());
    sql.run(&format!(
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") \
         VALUES ('r1', '{user}', '{agency_id}', 't', 'd', 'x', '2026-01-01 00:00:00'), ('r2', '{user}', NULL, 't', 'd', 'x', '2026-01-01 00:00:00')"
    ))
    .await;
    assert_eq!(sql.one(DIFFERENCES).await, "0");
    assert_eq!(total(&*agency.unit().await.unwrap(), None).await, 1);
    sql.run(&format!("UPDATE \"Request\" SET \"agencyId\" = '{agency_id}' WHERE id = 'r2'")).await;
    assert_eq!(sql.one(DIFFERENCES).await, "0");
    assert_eq!(total(&*agency.unit().await.unwrap(), None).await, 2);
}
