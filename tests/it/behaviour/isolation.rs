//! Another tenant's rows give the same answers as missing rows.

use rylie_db::entities::{RequestStatus, TaskStatus, TaskType};
use rylie_db::prelude::*;
use rylie_db::repositories::{
    AgencyChanges, Error, NewGa4Connection, NewSeoWorksMapping, PreferencesChanges, RequestChanges, UserChanges,
    UserFilter,
};

use super::world;

#[expect(clippy::needless_pass_by_value, reason = "`is_missing(call.await)` reads better than with a reference")]
fn is_missing<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::NotFound { .. }))
}

#[tokio::test]
async fn another_agency_cannot_find_the_request() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap();

    let unit = theirs.unit().await.unwrap();

    assert_eq!(unit.requests().find(&request.id).await.unwrap(), None);
    assert!(is_missing(unit.requests().get(&request.id).await));
    assert!(is_missing(unit.requests().get_with_tasks(&request.id).await));
}

#[tokio::test]
async fn another_agency_cannot_change_the_request() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap();
    let id = || request.id.clone();

    let unit = theirs.unit().await.unwrap();
    assert!(is_missing(unit.requests().update(&id(), RequestChanges::default()).await));
    assert!(is_missing(unit.requests().set_status(&id(), RequestStatus::Completed).await));
    assert!(is_missing(unit.requests().remove(&id()).await));
    assert!(is_missing(unit.requests().restore(&id()).await));
    assert!(is_missing(unit.requests().purge(&id()).await));
    assert!(is_missing(unit.tasks().add(&id(), NewTask::new("theirs", TaskType::Page)).await));
    let mapping = NewSeoWorksMapping { request: id(), seoworks_task: "s".into(), kind: "page".into() };
    assert!(is_missing(unit.seoworks_mappings().add(mapping).await));
    unit.commit().await.unwrap();

    let unit = ours.unit().await.unwrap();
    assert_eq!(unit.requests().get(&id()).await.unwrap(), request);
}

#[tokio::test]
async fn lists_and_totals_hold_only_the_own_rows() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    for _ in 0..3 {
        ours.request().await.unwrap();
    }
    theirs.request().await.unwrap();

    let unit = theirs.unit().await.unwrap();

    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 1);
    assert_eq!(unit.users().list(UserFilter::default(), PageRequest::default()).await.unwrap().total, 1);
    assert_eq!(unit.users().summaries().await.unwrap().len(), 1);
    assert_eq!(unit.agencies().list(PageRequest::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_filter_by_another_tenants_row_finds_nothing() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap();

    let unit = theirs.unit().await.unwrap();

    let by_user = RequestFilter { user: Some(request.user_id.clone()), ..Default::default() };
    assert_eq!(unit.requests().list(by_user, PageRequest::default()).await.unwrap().total, 0);
    let by_request = TaskFilter { request: Some(request.id), ..Default::default() };
    assert_eq!(unit.tasks().list(by_request, PageRequest::default()).await.unwrap().total, 0);
    let by_agency = UserFilter { agency: Some(ours.agency.id.clone()), ..Default::default() };
    assert_eq!(unit.users().list(by_agency, PageRequest::default()).await.unwrap().total, 0);
}

#[tokio::test]
async fn nobody_orders_in_the_name_of_another_tenants_user() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let victim = ours.admin.user.id.clone();

    let unit = theirs.unit().await.unwrap();

    let new = NewRequest { user: Some(victim.clone()), ..NewRequest::new("t", RequestKind::Page) };
    assert!(is_missing(unit.requests().add(new).await));
    let token = Secret::from("token");
    let connection = NewGa4Connection {
        user: Some(victim.clone()),
        access_token: token,
        refresh_token: None,
        expires: None,
        property_id: None,
        property_name: None,
    };
    assert!(is_missing(unit.ga4_connections().save(connection).await));
    assert!(is_missing(unit.preferences().save(&victim, PreferencesChanges::default()).await));
    assert!(is_missing(unit.usage().use_page(&victim, "event").await));
}

#[tokio::test]
async fn another_agencys_users_and_settings_are_out_of_reach() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let victim = ours.admin.user.id.clone();

    let unit = theirs.unit().await.unwrap();

    assert_eq!(unit.users().find(&victim).await.unwrap(), None);
    assert!(is_missing(unit.users().update(&victim, UserChanges::default()).await));
    assert!(is_missing(unit.users().set_role(&victim, UserRole::User).await));
    assert!(is_missing(unit.users().remove(&victim).await));
    assert!(is_missing(unit.agencies().update(&ours.agency.id, AgencyChanges::default()).await));
}

#[tokio::test]
async fn a_plain_user_reaches_only_the_own_rows() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (ann, bob) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    let (anns, bobs) = (ann.request().await.unwrap(), bob.request().await.unwrap());

    let unit = ann.unit().await.unwrap();
    assert!(unit.requests().find(&anns.id).await.unwrap().is_some());
    assert_eq!(unit.requests().find(&bobs.id).await.unwrap(), None);
    assert_eq!(unit.users().list(UserFilter::default(), PageRequest::default()).await.unwrap().total, 1);
    assert!(is_missing(unit.tasks().add(&bobs.id, NewTask::new("ann's", TaskType::Page)).await));
    drop(unit);

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 2);
    for (id, number) in [(&anns.id, "1"), (&bobs.id, "2")] {
        let new = NewSeoWorksMapping { request: id.clone(), seoworks_task: number.into(), kind: "page".into() };
        unit.seoworks_mappings().add(new).await.unwrap();
    }
    unit.commit().await.unwrap();

    let unit = ann.unit().await.unwrap();
    assert!(unit.seoworks_mappings().find_by_task("1").await.unwrap().is_some());
    assert_eq!(unit.seoworks_mappings().find_by_task("2").await.unwrap(), None);
}

#[tokio::test]
async fn an_administrator_may_narrow_the_scope_to_the_own_rows() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    agency.user().await.unwrap().request().await.unwrap();
    agency.request().await.unwrap();

    let unit = world.store().tenant(&agency.scope().own()).await.unwrap();

    assert_eq!(unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap().total, 1);
}

#[tokio::test]
async fn a_user_of_no_agency_is_a_tenant_alone() {
    let world = world().await;
    let (ann, bob) = (world.user().build().await.unwrap(), world.user().build().await.unwrap());
    let request = ann.request().await.unwrap();

    assert_eq!(request.tenant_id.as_str(), format!("user:{}", ann.user.id));
    let unit = bob.unit().await.unwrap();
    assert_eq!(unit.requests().find(&request.id).await.unwrap(), None);
}

#[tokio::test]
async fn another_tenants_task_is_missing() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap();
    let unit = ours.unit().await.unwrap();
    let task = unit.tasks().add(&request.id, NewTask::new("ours", TaskType::Blog)).await.unwrap();
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();

    assert_eq!(unit.tasks().find(&task.id).await.unwrap(), None);
    assert!(is_missing(unit.tasks().set_status(&task.id, TaskStatus::Completed).await));
    assert!(is_missing(unit.tasks().remove(&task.id).await));
    assert!(is_missing(unit.tasks().restore(&task.id).await));
}

#[tokio::test]
async fn a_missing_row_and_another_tenants_give_the_same_error() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let request = ours.request().await.unwrap();
    let unit = theirs.unit().await.unwrap();

    let foreign = unit.requests().remove(&request.id).await.unwrap_err();
    let missing = unit.requests().remove(&"no-such-id".parse().unwrap()).await.unwrap_err();

    assert_eq!(format!("{foreign} {foreign:?}"), format!("{missing} {missing:?}"));
}
