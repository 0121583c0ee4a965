//! The behaviour of the extractors over a real database.

use axum::http::Method;
use chrono::TimeDelta;
use rylie_db::prelude::*;
use rylie_db::repositories::AuditFilter;
use rylie_testkit::World;
use serde_json::json;

use super::world;
use crate::service::{call, router};

async fn session(world: &World, user: &UserId) -> Token {
    let unit = world.store().identity().await.unwrap();
    let token = unit.sessions().begin(user, world.env().now() + TimeDelta::hours(1)).await.unwrap();
    unit.commit().await.unwrap();
    token
}

#[tokio::test]
async fn a_list_has_fifty_rows_unless_asked_a_hundred_at_most_newest_first() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let unit = agency.unit().await.unwrap();
    let new = (0..120).map(|number| NewRequest::new(format!("request {number}"), RequestKind::Page)).collect();
    unit.requests().add_many(new).await.unwrap();
    unit.commit().await.unwrap();
    world.env().forward(TimeDelta::seconds(1));
    let unit = agency.unit().await.unwrap();
    let newest = unit.requests().add(NewRequest::new("newest", RequestKind::Blog)).await.unwrap();
    unit.requests().set_status(&newest.id, RequestStatus::Completed).await.unwrap();
    unit.commit().await.unwrap();

    for (query, rows, limit, offset) in [
        ("", 50, 50, 0),
        ("?limit=7&offset=3", 7, 7, 3),
        ("?limit=1000", 100, 100, 0),
        ("?limit=&offset=", 50, 50, 0),
        ("?limit=0", 1, 1, 0),
        ("?offset=100000", 0, 50, 100_000),
    ] {
        let page = call(Method::GET, &format!("/requests{query}")).token(&token).on(&router).await;
        assert_eq!(page.status, 200, "{query}");
        assert_eq!(page.json["requests"].as_array().unwrap().len(), rows, "{query}");
        assert_eq!(page.json["total"], 121, "{query}");
        assert_eq!((&page.json["limit"], &page.json["offset"]), (&json!(limit), &json!(offset)), "{query}");
        assert_eq!(page.json.as_object().unwrap().len(), 4);
    }
    let page = call(Method::GET, "/requests?limit=10&offset=20").token(&token).on(&router).await;
    assert_eq!(
        page.header("link"),
        "</requests?limit=10&offset=0>; rel=\"first\", </requests?limit=10&offset=10>; rel=\"prev\", \
         </requests?limit=10&offset=30>; rel=\"next\", </requests?limit=10&offset=120>; rel=\"last\""
    );
    let done = call(Method::GET, "/requests?status=COMPLETED").token(&token).on(&router).await;
    assert_eq!((done.json["total"].as_u64(), &done.json["requests"][0]["title"]), (Some(1), &json!("newest")));
    for wrong in
        ["limit=ten", "limit=-1", "offset=1.5", "status=done", "limit=1&limit=2", "deleted=maybe", "userId=%00"]
    {
        let refused = call(Method::GET, &format!("/requests?{wrong}")).token(&token).on(&router).await;
        assert_eq!(refused.status, 400, "{wrong}");
        assert!(["invalid", "malformed"].contains(&refused.problem()), "{wrong}");
    }
}

#[tokio::test]
async fn a_walk_by_its_links_returns_every_row_once() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let unit = agency.unit().await.unwrap();
    let new = (0..25).map(|number| NewRequest::new(format!("request {number}"), RequestKind::Page)).collect();
    unit.requests().add_many(new).await.unwrap();
    unit.commit().await.unwrap();

    let (mut path, mut titles) = ("/requests/walk?limit=10".to_owned(), Vec::new());
    loop {
        let page = call(Method::GET, &path).token(&token).on(&router).await;
        let rows = page.json["requests"].as_array().unwrap();
        titles.extend(rows.iter().map(|row| row["title"].as_str().unwrap().to_owned()));
        let Some(next) = page.header("link").strip_prefix('<').and_then(|rest| rest.split_once('>')) else { break };
        path = next.0.to_owned();
    }

    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 25);
}

#[tokio::test]
async fn no_call_without_a_credential_and_no_foreign_row() {
    let world = world().await;
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let foreign = theirs.request().await.unwrap();
    let token = session(&world, &ours.admin.user.id).await;
    let router = router(world.store());

    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer unknown", "Bearer rk_unknown", "bearer x y"] {
        let refused = call(Method::GET, "/requests").header("authorization", header).on(&router).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (401, "not-signed-in"), "{header}");
        assert_eq!(refused.header("www-authenticate"), "Bearer");
    }
    assert_eq!(call(Method::GET, "/requests").on(&router).await.status, 401);
    let path = format!("/requests/{}", foreign.id);
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        let answer = call(method.clone(), &path).token(&token).json(&json!({})).on(&router).await;
        assert_eq!(answer.status, 404, "{method}");
    }
    let absent = call(Method::DELETE, &path).token(&token).on(&router).await;
    let unknown = call(Method::DELETE, "/requests/unknown").token(&token).on(&router).await;
    assert_eq!(
        (absent.status.as_u16(), &absent.json),
        (404, &unknown.json),
        "another tenant's row is as a missing one"
    );
}

#[tokio::test]
async fn a_repeated_write_has_one_effect_and_the_same_answer() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let body = json!({"title": "once", "type": "page"});
    let write = |body: &serde_json::Value| {
        call(Method::POST, "/requests").token(&token).header("idempotency-key", "\"k-1\"").json(body)
    };

    let first = write(&body).on(&router).await;
    let second = write(&body).on(&router).await;
    let other = write(&json!({"title": "twice", "type": "page"})).on(&router).await;

    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201));
    assert_eq!(first.json, second.json);
    assert_eq!(first.header("location"), second.header("location"));
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), ("", "true"));
    assert_eq!((other.status.as_u16(), other.problem()), (422, "idempotency-key-reused"));
    let refused = write(&json!({"title": "", "type": "page"}));
    assert_eq!(refused.on(&router).await.status, 422);
    let all = call(Method::GET, "/requests").token(&token).on(&router).await;
    assert_eq!(all.json["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repetitions_have_one_effect() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let calls = (0..8).map(|_| {
        let (router, token) = (router.clone(), token.clone());
        tokio::spawn(async move {
            let body = json!({"title": "once", "type": "page"});
            let call = call(Method::POST, "/requests").token(&token).header("idempotency-key", "k").json(&body);
            let answer = call.on(&router).await;
            assert_eq!(answer.status, 201);
            answer.json["id"].as_str().unwrap().to_owned()
        })
    });
    let mut ids = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        ids.push(call.await.unwrap());
    }

    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_nothing_is_written() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    for hostile in ["id", "userId", "user", "tenantId", "agencyId", "deleted"] {
        let body = json!({"title": "x", "type": "page", hostile: "x"});
        let answer = call(Method::POST, "/requests").token(&token).json(&body).on(&router).await;
        assert_eq!((answer.status.as_u16(), answer.problem()), (400, "malformed"), "{hostile}");
    }
    let raw = |kind: &str, body: String| {
        call(Method::POST, "/requests").token(&token).header("content-type", kind).body(body)
    };
    let good = json!({"title": "x", "type": "page"}).to_string();
    assert_eq!(raw("text/plain", good.clone()).on(&router).await.problem(), "not-json");
    assert_eq!(raw("application/json", "{".to_owned()).on(&router).await.problem(), "malformed");
    assert_eq!(raw("application/json", String::new()).on(&router).await.problem(), "malformed");
    assert_eq!(raw("application/json", "x".repeat((1 << 20) + 1)).on(&router).await.problem(), "too-large");
    let long = json!({"title": "x".repeat(100_000), "type": "page"}).to_string();
    assert_eq!(raw("application/json", long).on(&router).await.problem(), "invalid");
    assert_eq!(call(Method::GET, "/nowhere").on(&router).await.problem(), "no-route");
    assert_eq!(call(Method::PUT, "/requests").on(&router).await.problem(), "no-method");
    let all = call(Method::GET, "/requests").token(&token).on(&router).await;
    assert_eq!(all.json["total"], 0);
}

#[tokio::test]
async fn a_cookie_reads_from_anywhere_and_writes_only_from_the_own_pages() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let cookie = format!("other=1; session={}", token.expose());
    let write = || {
        let body = json!({"title": "by a page", "type": "page"});
        call(Method::POST, "/requests").header("cookie", &cookie).json(&body)
    };

    let read = call(Method::GET, "/requests").header("cookie", &cookie).header("origin", "https://evil.example");
    assert_eq!(read.on(&router).await.status, 200);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://service.example.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("x-nothing", "x"),
    ] {
        let refused = write().header(name, value).on(&router).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (403, "cross-site"), "{name}: {value}");
    }
    for (name, value) in [
        ("origin", "https://service.example"),
        ("origin", "https://app.example.com"),
        ("sec-fetch-site", "same-origin"),
    ] {
        assert_eq!(write().header(name, value).on(&router).await.status, 201, "{name}: {value}");
    }
    let two = write().header("origin", "https://service.example").header("origin", "https://evil.example");
    assert_eq!(two.on(&router).await.problem(), "cross-site");
    let two = format!("session={}; session=planted", token.expose());
    assert_eq!(call(Method::GET, "/requests").header("cookie", &two).on(&router).await.status, 401);
}

#[tokio::test]
async fn a_change_of_an_old_state_is_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let request = agency.request().await.unwrap();
    let path = format!("/requests/{}", request.id);
    let read = call(Method::GET, &path).token(&token).on(&router).await;
    let tag = read.header("etag").to_owned();
    let change = |tag: &str, title: &str| {
        call(Method::PATCH, &path).token(&token).header("if-match", tag).json(&json!({"title": title}))
    };

    let first = change(&tag, "first").on(&router).await;
    let second = change(&tag, "second").on(&router).await;

    assert_eq!((first.status.as_u16(), &first.json["title"]), (200, &json!("first")));
    assert_eq!((second.status.as_u16(), second.problem()), (412, "changed"));
    assert_eq!(change(first.header("etag"), "third").on(&router).await.status, 200);
    assert_eq!(change("*", "fourth").on(&router).await.status, 200);
    assert_eq!(change(&format!("W/{tag}"), "weak").on(&router).await.status, 412);
}

/// A condition that was not compared could be false.
#[tokio::test]
async fn a_call_that_does_not_compare_its_condition_has_no_effect() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let request = agency.request().await.unwrap();
    let path = format!("/requests/{}", request.id);
    let remove = || call(Method::DELETE, &path).token(&token);

    let refused = remove().header("if-match", "\"stale\"").on(&router).await;

    assert_eq!((refused.status.as_u16(), refused.problem()), (400, "malformed"));
    assert_eq!(call(Method::GET, &path).token(&token).on(&router).await.status, 200);
    // Clients send an empty object where a call takes nothing.
    assert_eq!(remove().json(&json!({})).on(&router).await.status, 204);
}

#[tokio::test]
async fn no_answer_is_stored_by_a_browser_or_a_proxy() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    for (path, status) in [("/requests", 200), ("/requests/none", 404), ("/nowhere", 404)] {
        let answer = call(Method::GET, path).token(&token).on(&router).await;
        assert_eq!(answer.status, status);
        assert_eq!((answer.header("cache-control"), answer.header("x-content-type-options")), ("no-store", "nosniff"));
    }
}

#[tokio::test]
async fn a_time_that_the_engines_store_differently_is_refused() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let new: NewTask =
        serde_json::from_value(json!({"title": "t", "type": "PAGE", "dueDate": "2026-06-30T23:59:60Z"})).unwrap();

    let refused = unit.tasks().add(&request.id, new).await;

    assert!(refused.unwrap_err().to_string().contains("leap second"));
}

#[tokio::test]
async fn work_across_tenants_needs_a_super_admin_and_a_reason_and_is_recorded() {
    let world = world().await;
    let (north, south) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    north.request().await.unwrap();
    south.request().await.unwrap();
    let root = world.user().role(UserRole::SuperAdmin).build().await.unwrap();
    let (root, ann) = (session(&world, &root.user.id).await, session(&world, &north.admin.user.id).await);
    let router = router(world.store());
    let all = || call(Method::GET, "/admin/requests");

    assert_eq!(all().on(&router).await.status, 401);
    assert_eq!(all().token(&ann).on(&router).await.problem(), "forbidden");
    assert_eq!(all().token(&ann).header("x-access-reason", "curious").on(&router).await.problem(), "forbidden");
    assert_eq!(all().token(&root).on(&router).await.problem(), "malformed");
    for hidden in ["\u{200b}", "ticket \u{202e}7", "..."] {
        assert_eq!(all().token(&root).header("x-access-reason", hidden).on(&router).await.problem(), "malformed");
    }
    let two = all().token(&root).header("x-access-reason", "ticket 7").header("x-access-reason", "ticket 8");
    assert_eq!(two.on(&router).await.problem(), "malformed");
    let keyed = call(Method::POST, "/admin/agencies").token(&root).header("x-access-reason", "a new customer");
    let keyed = keyed.header("idempotency-key", "k").json(&json!({"name": "East"}));
    assert_eq!(keyed.on(&router).await.problem(), "malformed", "such a call cannot be repeated safely");
    let page = all().token(&root).header("x-access-reason", "ticket 7").on(&router).await;
    assert_eq!((page.status.as_u16(), page.json["total"].as_u64()), (200, Some(2)));
    let new = call(Method::POST, "/admin/agencies").token(&root).header("x-access-reason", "a new customer");
    assert_eq!(new.json(&json!({"name": "West"})).on(&router).await.status, 201);

    let unit = world.platform().await.unwrap();
    let filter = AuditFilter { action: Some("PLATFORM_ACCESS".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap();
    let reasons: Vec<_> =
        records.items.iter().map(|record| record.details.as_ref().unwrap()["reason"].clone()).collect();
    assert!(reasons.contains(&json!("ticket 7")) && reasons.contains(&json!("a new customer")), "{reasons:?}");
    let filter = AuditFilter { action: Some("ACCESS_REFUSED".into()), ..Default::default() };
    assert_eq!(unit.audit().list(filter, PageRequest::default()).await.unwrap().total, 2);
}

#[tokio::test]
async fn records_have_the_clients_address_and_the_correlation_id() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let router = router(world.store());
    let write = |peer: &str, id: &str| {
        call(Method::POST, "/requests")
            .token(&token)
            .by_peer(peer)
            .header("x-forwarded-for", "8.8.8.8, 203.0.113.9")
            .header("forwarded", "for=6.6.6.6")
            .header("x-request-id", id)
            .header("user-agent", "test/1")
            .json(&json!({"title": "x", "type": "page"}))
    };

    assert_eq!(write("10.0.0.7", "call-1").on(&router).await.header("x-request-id"), "call-1");
    assert_eq!(write("198.51.100.1", "call-2").on(&router).await.header("x-request-id"), "call-2");
    let made = write("10.0.0.7", "not an id").on(&router).await.header("x-request-id").to_owned();
    assert!(!made.is_empty() && made != "not an id");

    let unit = agency.unit().await.unwrap();
    let filter = AuditFilter { action: Some("REQUEST_CREATED".into()), ..Default::default() };
    let records = unit.audit().list(filter, PageRequest::default()).await.unwrap().items;
    let of = |id: &str| records.iter().find(|record| record.correlation_id.as_deref() == Some(id)).unwrap();
    assert_eq!(of("call-1").ip_address.as_deref(), Some("203.0.113.9"));
    assert_eq!(of("call-2").ip_address.as_deref(), Some("198.51.100.1"), "a stranger's header is not read");
    assert_eq!(of(&made).user_agent.as_deref(), Some("test/1"));
}
