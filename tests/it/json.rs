//! Models, pages and inputs as JSON: the names that the platform's service has, and nothing secret.

use rylie_db::entities::{Ga4Connection, Session};
use rylie_db::prelude::*;
use rylie_db::repositories::{
    AgencyChanges, NewGa4Connection, PreferencesChanges, RequestChanges, RequestWithTasks, UserChanges,
};
use rylie_testkit::World;
use serde_json::{Value, json};

#[test]
fn a_request_has_the_names_of_the_platform_and_no_tenant() {
    let request = Request { package_type: Some(PackageType::Gold), ..Request::for_tests("r1") };
    let json = serde_json::to_value(&request).unwrap();

    assert_eq!(json["type"], "page");
    assert_eq!(json["createdAt"], "2026-01-01T00:00:00.000Z");
    assert_eq!(json["userId"], "u1");
    assert_eq!(json["packageType"], "GOLD");
    for absent in ["kind", "tenantId", "tenant_id", "created_at"] {
        assert!(json.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn a_page_has_the_contract_of_lists() {
    let page = Page { items: vec![Request::for_tests("r1")], total: 7, limit: 50, offset: 0 };
    let json = serde_json::to_value(&page).unwrap();

    assert_eq!(json["requests"][0]["id"], "r1");
    assert_eq!((&json["total"], &json["limit"], &json["offset"]), (&json!(7), &json!(50), &json!(0)));
    assert_eq!(json.as_object().unwrap().len(), 4);
    let users = serde_json::to_value(Page { items: vec![User::for_tests("u1")], total: 1, limit: 1, offset: 0 });
    assert_eq!(users.unwrap()["users"][0]["id"], "u1");
    let walk = KeysetPage { items: vec![Task::for_tests("t1")], next: None };
    assert_eq!(serde_json::to_value(&walk).unwrap()["tasks"][0]["requestId"], "r1");
}

#[test]
fn a_request_with_tasks_has_its_user_in_brief() {
    let user = User { name: Some("Ann".to_owned()), ..User::for_tests("u1") };
    let whole =
        RequestWithTasks { request: Request::for_tests("r1"), user: Some(user), tasks: vec![Task::for_tests("t1")] };
    let json = serde_json::to_value(&whole).unwrap();

    assert_eq!(json["id"], "r1");
    assert_eq!(json["user"], json!({"id": "u1", "name": "Ann", "email": "u1@example.com"}));
    assert_eq!(json["tasks"][0]["type"], "PAGE");
}

/// Keys and tokens that the database has are in no JSON of any model.
#[tokio::test]
async fn no_secret_is_serialised() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let connection: Ga4Connection =
        unit.ga4_connections().save(NewGa4Connection::new("ya29.canary".into())).await.unwrap();
    unit.api_keys().issue(&agency.admin.user.id).await.unwrap();
    let user = unit.users().get(&agency.admin.user.id).await.unwrap();
    let names = |json: &Value| json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();

    let json = serde_json::to_value(&connection).unwrap();
    assert!(!names(&json).iter().any(|name| name.to_lowercase().contains("token")), "{json}");
    let json = serde_json::to_value(&user).unwrap();
    assert!(!names(&json).iter().any(|name| ["apiKey", "apiKeyIndex", "tenantId"].contains(&name.as_str())), "{json}");
    assert!(!json.to_string().contains("[sealed]"));
    let session = Session {
        id: "s1".parse().unwrap(),
        session_token: Token::new("canary"),
        user_id: user.id.clone(),
        expires: user.created_at,
        tenant_id: user.tenant_id.clone(),
    };
    let json = serde_json::to_value(&session).unwrap().to_string();
    assert!(!json.contains("canary") && !json.contains("oken"), "{json}");
}

#[test]
fn inputs_are_read_from_json_and_hostile_fields_are_refused() {
    let new: NewRequest = serde_json::from_value(json!({
        "title": "A page", "type": "page", "packageType": "GOLD", "targetUrl": "https://example.com"
    }))
    .unwrap();
    assert_eq!((new.user, new.kind, new.package), (None, RequestKind::Page, Some(PackageType::Gold)));
    let task: NewTask =
        serde_json::from_value(json!({"title": "t", "type": "BLOG", "dueDate": "2026-12-01T00:00:00Z"})).unwrap();
    assert!(task.due.is_some());

    for hostile in ["id", "user", "userId", "tenantId", "tenant_id", "agencyId", "deleted", "status", "__proto__"] {
        let mut body = json!({"title": "A page", "type": "page"});
        body[hostile] = json!("x");
        assert!(serde_json::from_value::<NewRequest>(body).is_err(), "{hostile}");
        let mut body = json!({"accessToken": "t"});
        body[hostile] = json!("x");
        assert!(serde_json::from_value::<NewGa4Connection>(body).is_err(), "{hostile}");
        for refused in [
            serde_json::from_value::<NewUser>(json!({"email": "a@b.c", hostile: "x"})).is_err(),
            serde_json::from_value::<UserChanges>(json!({ hostile: "x" })).is_err(),
            serde_json::from_value::<RequestChanges>(json!({ hostile: "x" })).is_err(),
            serde_json::from_value::<AgencyChanges>(json!({ hostile: "x" })).is_err(),
            serde_json::from_value::<PreferencesChanges>(json!({ hostile: "x" })).is_err(),
        ] {
            assert!(refused, "{hostile}");
        }
    }
}

#[test]
fn a_missing_field_keeps_a_value_null_clears_it_and_a_text_sets_it() {
    let changes: UserChanges = serde_json::from_value(json!({"name": "Ann", "image": null})).unwrap();

    assert_eq!(changes.name, Patch::Set("Ann".to_owned()));
    assert_eq!(changes.image, Patch::Clear);
    assert_eq!(changes.package, Patch::Keep);
}
