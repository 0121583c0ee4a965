//! Events are recorded with the change, within their tenant.

use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;

use super::world;

#[tokio::test]
async fn a_callers_event_commits_with_the_unit() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let event = || Event::new(Action::Other("REPORT_SENT".into())).on_row("Request", "r1").with("pages", 3);
    let unit = agency.unit().await.unwrap();
    unit.audit().record(event()).await.unwrap();
    unit.commit().await.unwrap();
    let unit = agency.unit().await.unwrap();
    unit.audit().record(event()).await.unwrap();
    drop(unit);

    let unit = agency.unit().await.unwrap();
    let filter = AuditFilter { resource: Some("Request".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();

    assert_eq!(records.total, 1);
    let record = &records.items[0];
    assert_eq!((record.action.as_str(), record.user_id.as_str()), ("REPORT_SENT", agency.admin.user.id.as_str()));
    assert_eq!(record.details.as_ref().unwrap()["pages"], 3);
    assert_eq!(record.tenant_id, agency.agency.tenant_id);
}

#[tokio::test]
async fn another_tenant_does_not_see_the_records() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = ours.unit().await.unwrap();
    unit.audit().record(Event::new(Action::Other("OURS".into()))).await.unwrap();
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();

    assert_eq!(unit.audit().list(AuditFilter::default(), PageRequest::default()).await.unwrap().total, 0);
}

#[tokio::test]
async fn a_change_of_settings_is_recorded_field_by_field() {
    use rylie_db::repositories::SettingsChanges;

    let world = world().await;
    let unit = world.platform().await.unwrap();
    assert!(unit.settings().ensure().await.unwrap());
    assert!(!unit.settings().ensure().await.unwrap());
    let changes =
        SettingsChanges { maintenance_mode: Some(true), max_users_per_agency: Some(50), ..Default::default() };
    unit.settings().update(changes).await.unwrap();

    let filter = AuditFilter { action: Some("SETTINGS_CHANGED".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();
    let changes = &records.items[0].details.as_ref().unwrap()["changes"];
    assert_eq!(changes, &serde_json::json!({ "maintenance_mode": { "from": false, "to": true } }));
}
