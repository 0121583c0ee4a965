//! Users and their roles.

use futures_util::future::join_all;
use rylie_db::prelude::*;
use rylie_db::repositories::{AuditFilter, Error, UserChanges};

use super::world;

fn named(email: &str) -> NewUser {
    NewUser::new(email)
}

#[tokio::test]
async fn a_role_change_is_recorded_with_the_old_and_the_new_role() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap().user;
    let unit = agency.unit().await.unwrap();

    unit.users().set_role(&user.id, UserRole::AgencyAdmin).await.unwrap();
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.users().get(&user.id).await.unwrap().role, UserRole::AgencyAdmin);
    let filter = AuditFilter { action: Some("USER_ROLE_UPDATE".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();
    assert_eq!(records.total, 1);
    let record = &records.items[0];
    assert_eq!(record.user_id, agency.admin.user.id.as_str());
    assert_eq!(record.resource_id.as_deref(), Some(user.id.as_str()));
    let changes = &record.details.as_ref().unwrap()["changes"]["role"];
    assert_eq!((changes["from"].as_str(), changes["to"].as_str()), (Some("USER"), Some("AGENCY_ADMIN")));
}

/// Each one waits for the one before, and its record has the role that this one left.
#[tokio::test]
async fn concurrent_role_changes_all_succeed_and_their_records_follow_each_other() {
    const ROLES: [UserRole; 3] = [UserRole::Admin, UserRole::AgencyAdmin, UserRole::User];
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap().user;

    let changes = ROLES.into_iter().cycle().take(8).map(async |role| {
        let unit = agency.unit().await.unwrap();
        unit.users().set_role(&user.id, role).await?;
        unit.commit().await
    });
    let done: Vec<std::result::Result<(), Error>> = join_all(changes).await;

    assert!(done.iter().all(Result::is_ok), "{done:?}");
    let unit = agency.unit().await.unwrap();
    let filter = AuditFilter { action: Some("USER_ROLE_UPDATE".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();
    assert_eq!(records.total, 8);
    // A chain from the first role to the last leaves each role as often as it reaches it.
    let last = unit.users().get(&user.id).await.unwrap().role;
    let (mut left, mut reached) = (vec![last.label().to_owned()], vec![UserRole::User.label().to_owned()]);
    for record in &records.items {
        let role = &record.details.as_ref().unwrap()["changes"]["role"];
        left.push(role["from"].as_str().unwrap().to_owned());
        reached.push(role["to"].as_str().unwrap().to_owned());
    }
    left.sort_unstable();
    reached.sort_unstable();
    assert_eq!(left, reached);
}

#[tokio::test]
async fn a_role_change_that_is_not_committed_leaves_no_record() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap().user;
    let unit = agency.unit().await.unwrap();
    unit.users().set_role(&user.id, UserRole::AgencyAdmin).await.unwrap();
    drop(unit);

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.users().get(&user.id).await.unwrap().role, UserRole::User);
    let filter = AuditFilter { action: Some("USER_ROLE_UPDATE".into()), ..Default::default() };
    assert_eq!(unit.audit().list(filter, PageRequest::default()).await.unwrap().total, 0);
}

#[tokio::test]
async fn nobody_becomes_a_super_admin_within_a_tenant() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap().user;
    let unit = agency.unit().await.unwrap();

    let me = agency.admin.user.id.clone();
    assert!(matches!(unit.users().set_role(&me, UserRole::SuperAdmin).await, Err(Error::Forbidden { .. })));
    let new = NewUser { role: Some(UserRole::SuperAdmin), ..named("root@example.com") };
    assert!(matches!(unit.users().add(new).await, Err(Error::Forbidden { .. })));
    assert!(matches!(unit.users().set_role(&root.id, UserRole::User).await, Err(Error::Forbidden { .. })));
    assert!(matches!(unit.users().remove(&root.id).await, Err(Error::Forbidden { .. })));
}

#[tokio::test]
async fn a_plain_user_administers_nobody() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap();
    let me = user.user.id.clone();
    let unit = user.unit().await.unwrap();

    assert!(matches!(unit.users().set_role(&me, UserRole::Admin).await, Err(Error::Forbidden { .. })));
    assert!(matches!(unit.users().add(named("a@example.com")).await, Err(Error::Forbidden { .. })));
    assert!(matches!(unit.users().remove(&me).await, Err(Error::Forbidden { .. })));
    let free = UserChanges { package: Patch::Set(PackageType::Platinum), ..Default::default() };
    assert!(matches!(unit.users().update(&me, free).await, Err(Error::Forbidden { .. })));
    let name = UserChanges { name: "Ann".into(), ..Default::default() };
    assert_eq!(unit.users().update(&me, name).await.unwrap().name.as_deref(), Some("Ann"));
    let image = UserChanges { image: "https://example.com/ann.png".into(), ..Default::default() };
    assert_eq!(unit.users().update(&me, image).await.unwrap().name.as_deref(), Some("Ann"), "it is kept");
    let cleared = UserChanges { name: Patch::Clear, ..Default::default() };
    let cleared = unit.users().update(&me, cleared).await.unwrap();
    assert_eq!((cleared.name, cleared.image.as_deref()), (None, Some("https://example.com/ann.png")));
}

#[tokio::test]
async fn a_user_added_within_a_tenant_is_of_its_agency_whatever_the_caller_names() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = theirs.unit().await.unwrap();

    let new = NewUser { agency: Some(ours.agency.id.clone()), ..named("mole@example.com") };
    let user = unit.users().add(new).await.unwrap();

    assert_eq!(user.agency_id, Some(theirs.agency.id.clone()));
    assert_eq!(user.tenant_id, theirs.agency.tenant_id);
}

#[tokio::test]
async fn an_address_is_taken_once_in_any_case() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let unit = ours.unit().await.unwrap();
    unit.users().add(named("Ann@Example.com")).await.unwrap();
    unit.commit().await.unwrap();

    let unit = theirs.unit().await.unwrap();
    let refused = unit.users().add(named(" ann@example.COM ")).await.unwrap_err();

    let Error::Conflict { entity, field } = &refused else { panic!("{refused:?}") };
    assert_eq!((entity.as_str(), field.as_str()), ("User", "email"));
    assert!(!format!("{refused} {refused:?}").to_lowercase().contains("ann"));
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let long = format!("{}@example.com", "x".repeat(250));
    for email in
        ["", "ann", "@", "ann@", "@example.com", "a b@example.com", "a\0@example.com", "a\n@example.com", &long]
    {
        assert!(matches!(unit.users().add(named(email)).await, Err(Error::Invalid { .. })), "{email:?}");
    }
}

#[tokio::test]
async fn a_deleted_user_leaves_the_records_behind() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap().user;
    let unit = agency.unit().await.unwrap();
    unit.users().set_role(&user.id, UserRole::Admin).await.unwrap();
    unit.users().remove(&user.id).await.unwrap();
    unit.commit().await.unwrap();

    let unit = agency.unit().await.unwrap();
    assert_eq!(unit.users().find(&user.id).await.unwrap(), None);
    let filter = AuditFilter { resource_id: Some(user.id.to_string()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();
    let mut actions: Vec<_> = records.items.iter().map(|record| record.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["USER_DELETED", "USER_ROLE_UPDATE"]);
}

#[tokio::test]
async fn a_user_with_requests_is_not_deleted() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let user = agency.user().await.unwrap();
    user.request().await.unwrap();
    let unit = agency.unit().await.unwrap();

    assert!(matches!(unit.users().remove(&user.user.id).await, Err(Error::Reference { .. })));
}

#[tokio::test]
async fn nobody_but_the_super_admin_acts_in_that_name() {
    use rylie_db::repositories::{NewGa4Connection, PreferencesChanges};

    let world = world().await;
    let agency = world.agency().await.unwrap();
    let root = world.user().of(&agency.agency).role(UserRole::SuperAdmin).build().await.unwrap().user;
    let unit = agency.unit().await.unwrap();
    let id = || root.id.clone();

    let name = UserChanges { name: "Mallory".into(), ..Default::default() };
    assert!(matches!(unit.users().update(&id(), name).await, Err(Error::Forbidden { .. })));
    let new = NewRequest { user: Some(id()), ..NewRequest::new("t", RequestKind::Page) };
    assert!(matches!(unit.requests().add(new).await, Err(Error::Forbidden { .. })));
    let connection = NewGa4Connection {
        user: Some(id()),
        access_token: Secret::from("token"),
        refresh_token: None,
        expires: None,
        property_id: None,
        property_name: None,
    };
    assert!(matches!(unit.ga4_connections().save(connection).await, Err(Error::Forbidden { .. })));
    assert!(matches!(unit.ga4_connections().open_tokens(&id()).await, Err(Error::Forbidden { .. })));
    let preferences = unit.preferences().save(&id(), PreferencesChanges::default()).await;
    assert!(matches!(preferences, Err(Error::Forbidden { .. })));
}
