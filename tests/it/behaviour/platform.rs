//! Units across tenants.

use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error};

use super::world;

#[tokio::test]
async fn only_a_super_admin_with_a_reason_gets_a_grant() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let root = world.user().role(UserRole::SuperAdmin).build().await.unwrap();

    let admin = Grant::of(&agency.admin.signed_in, "curious", Origin::default());
    assert!(matches!(admin, Err(Error::Forbidden { .. })));
    assert!(matches!(Grant::of(&root.signed_in, " ", Origin::default()), Err(Error::Invalid { .. })));
    assert!(matches!(Grant::job("", "reason"), Err(Error::Invalid { .. })));
    assert!(Grant::of(&root.signed_in, "a support case", Origin::default()).is_ok());
}

#[tokio::test]
async fn who_entered_and_why_is_recorded_even_if_the_unit_only_reads() {
    let world = world().await;
    let root = world.user().role(UserRole::SuperAdmin).build().await.unwrap();
    let origin = Origin {
        address: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some("test\u{7}".into()),
        ..Default::default()
    };
    let grant = Grant::of(&root.signed_in, "a support case", origin).unwrap();
    drop(world.store().platform(grant).await.unwrap());

    let unit = world.platform().await.unwrap();
    let filter = AuditFilter { action: Some("PLATFORM_ACCESS".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::new(100, 0)).await.unwrap();
    let record = records.items.iter().find(|record| record.user_id == root.user.id.as_str()).unwrap();

    assert_eq!(record.details.as_ref().unwrap()["reason"], "a support case");
    assert_eq!(record.ip_address.as_deref(), Some("192.0.2.7"));
    assert_eq!(record.user_agent.as_deref(), Some("test"));
    assert_eq!(record.tenant_id.as_str(), "platform");
}

#[tokio::test]
async fn the_platform_sees_every_tenant() {
    let world = world().await;
    for _ in 0..2 {
        world.agency().await.unwrap().request().await.unwrap();
    }
    let unit = world.platform().await.unwrap();

    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 2);
    assert_eq!(unit.agencies().list(PageRequest::default()).await.unwrap().total, 2);
}

#[tokio::test]
async fn a_deleted_agency_leaves_users_and_requests_to_themselves() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = world.platform().await.unwrap();

    unit.agency_administration().remove(&agency.agency.id).await.unwrap();
    unit.commit().await.unwrap();

    let unit = world.platform().await.unwrap();
    let user = unit.users().get(&agency.admin.user.id).await.unwrap();
    let request = unit.requests().get(&request.id).await.unwrap();
    assert_eq!((user.agency_id, request.agency_id), (None, None));
    assert_eq!(user.tenant_id.as_str(), format!("user:{}", user.id));
    assert_eq!(request.tenant_id, user.tenant_id);
}
