//! The behaviour of the example over HTTP.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rylie_db::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::world;
use crate::client::{Call, call};
use crate::process::{Service, session};

/// Number of calls with random disconnects. `RYLIE_TEST_CALLS` sets another one, such as 10000 before a release.
fn number_of_calls() -> usize {
    std::env::var("RYLIE_TEST_CALLS").ok().and_then(|number| number.parse().ok()).unwrap_or(600)
}

fn create(token: &str, title: &str) -> Call {
    let body = json!({"request": {"title": title, "type": "page"}, "tasks": [{"title": "t", "type": "PAGE"}]});
    call("POST", "/api/requests").token(token).header("idempotency-key", title).json(&body)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_works_as_it_is_documented() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let agency = world.agency().await.unwrap();
    let member = agency.user().await.unwrap();
    let paying = world.user().of(&agency.agency).package(PackageType::Gold).build().await.unwrap();
    let root = world.user().role(UserRole::SuperAdmin).build().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let root = session(&world, &root.user.id).await;
    let service = Service::start(&world, folder.path()).await;
    let send = async |call: Call| call.send(service.address).await.unwrap();

    assert_eq!(send(call("GET", "/health")).await.status, 200);
    assert_eq!(send(call("GET", "/ready")).await.status, 200);
    assert_eq!(send(call("GET", "/api/requests")).await.status, 401);
    let made = send(create(&token, "first")).await;
    assert_eq!((made.status, made.json["tasks"].as_array().unwrap().len()), (201, 1));
    let id = made.json["id"].as_str().unwrap().to_owned();
    let again = send(create(&token, "first")).await;
    assert_eq!((again.status, &again.json["id"]), (201, &json!(id)));
    let list = send(call("GET", "/api/requests").token(&token)).await;
    assert_eq!((list.status, &list.json["total"], &list.json["limit"]), (200, &json!(1), &json!(50)));
    assert_eq!(list.json["requests"][0]["type"], "page");
    let path = format!("/api/requests/{id}");
    let one = send(call("GET", path.clone()).token(&token)).await;
    assert_eq!(one.json["user"]["email"], json!(agency.admin.user.email));
    let tag = one.head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let change = |tag: &str| {
        call("PATCH", path.clone()).token(&token).header("if-match", tag).json(&json!({"title": "changed"}))
    };
    assert_eq!(send(change(&tag)).await.status, 200);
    assert_eq!(send(change(&tag)).await.status, 412);
    let status = |ids: Value| {
        let body = json!({"requestIds": ids, "status": "COMPLETED"});
        call("POST", "/api/requests/status").token(&token).json(&body)
    };
    assert_eq!(send(status(json!([id]))).await.json["changed"], 1);
    assert_eq!(send(status(json!([id, "unknown"]))).await.status, 404);
    assert_eq!(send(call("DELETE", path.clone()).token(&token)).await.status, 204);
    assert_eq!(send(call("GET", path.clone()).token(&token)).await.status, 404);
    let restored = send(call("POST", format!("{path}/restore")).token(&token)).await;
    assert_eq!(restored.status, 200);
    let ga4 =
        send(call("PUT", "/api/connections/ga4").token(&token).json(&json!({"accessToken": "ya29.canary"}))).await;
    assert_eq!(ga4.status, 200);
    assert!(!ga4.json.to_string().contains("canary") && ga4.json.get("accessToken").is_none());
    let role = format!("/api/users/{}/role", member.user.id);
    let promoted = send(call("PUT", role).token(&token).json(&json!({"role": "ADMIN"}))).await;
    assert_eq!((promoted.status, &promoted.json["role"]), (200, &json!("ADMIN")));
    let used = |event: &str| {
        let body = json!({"event": event, "userId": paying.user.id, "type": "PAGE"});
        call("POST", "/api/webhooks/usage").token(&token).json(&body)
    };
    let (first, repeated) = (send(used("e-1")).await, send(used("e-1")).await);
    assert_eq!((first.status, &first.json["used"], &first.json["repeated"]), (200, &json!(1), &json!(false)));
    assert_eq!((&repeated.json["used"], &repeated.json["repeated"]), (&json!(1), &json!(true)));
    assert_eq!(send(call("GET", "/api/admin/requests").token(&root)).await.status, 400);
    let all = call("GET", "/api/admin/requests").token(&root).header("x-access-reason", "ticket 7");
    let all = send(all).await;
    assert_eq!((all.status, &all.json["requests"][0]["agency"]["id"]), (200, &json!(agency.agency.id)));
    let stale = call("DELETE", path.clone()).token(&token).header("if-match", tag);
    assert_eq!(send(stale).await.status, 412);
    let document = send(call("GET", "/openapi.json")).await.json;
    for (schema, value) in [
        ("Request", &restored.json),
        ("Task", &made.json["tasks"][0]),
        ("User", &promoted.json),
        ("Ga4Connection", &ga4.json),
    ] {
        let described = &document["components"]["schemas"][schema]["properties"];
        assert_eq!(members(described), members(value), "{schema}");
    }
    // The blank before the token is no part of it.
    let sign_out = call("DELETE", "/api/session").header("authorization", format!("Bearer  {token}"));
    assert_eq!(send(sign_out).await.status, 204);
    assert_eq!(send(call("GET", "/api/requests").token(&token)).await.status, 401, "signed out");

    assert!(service.terminate().await, "it ends gracefully");
}

fn members(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// The routes, as the router has them, and the references of the document.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_describes_every_route() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let service = Service::start(&world, folder.path()).await;
    let document = call("GET", "/openapi.json").send(service.address).await.unwrap().json;

    let user = "/components/schemas/RequestWithTasks/allOf/1/properties/user/oneOf/0/required";
    assert_eq!(document.pointer(user), Some(&json!(["id", "name", "email"])));
    let routes = include_str!("../../src/routes.rs");
    let routes = routes.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once("\", "));
    let mut expected = BTreeSet::from(["get /health".to_owned(), "get /ready".to_owned()]);
    for (path, methods) in routes.filter(|(path, _)| path.starts_with("/api/")) {
        let of_route = ["get", "post", "put", "patch", "delete"]
            .into_iter()
            .filter(|method| methods.starts_with(&format!("{method}(")) || methods.contains(&format!(").{method}(")));
        expected.extend(of_route.map(|method| format!("{method} {path}")));
    }
    let paths = document["paths"].as_object().unwrap();
    let described = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")));
    assert_eq!(described.collect::<BTreeSet<_>>(), expected);
    assert!(expected.len() >= 15, "{expected:?}");
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

/// Nothing of the first look exists in production, nor where it is turned off.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_creates_nobody_and_asks_for_its_settings() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    for variables in [&[("FIRST_LOOK", "off")][..], &[("FIRST_LOOK", "off"), ("DATABASE_URL", "")]] {
        let nothing = Service::refused(folder.path(), variables).await;
        assert!(nothing.contains("set DATABASE_URL"), "{nothing}");
    }
    let proxies = [("FIRST_LOOK", "off"), ("TRUSTED_PROXIES", "10.0.0.0/99")];
    assert!(Service::refused(folder.path(), &proxies).await.contains("TRUSTED_PROXIES"));
    for wrong in ["", "OFF", "false"] {
        let refused = Service::refused(folder.path(), &[("FIRST_LOOK", wrong)]).await;
        assert!(refused.contains("FIRST_LOOK is on or off"), "{refused}");
    }
    let service = Service::start_as(&world, folder.path(), &[("FIRST_LOOK", "off")], "listening").await;
    assert_eq!(call("GET", "/ready").send(service.address).await.unwrap().status, 200);
    assert!(!service.printed.iter().any(|line| line.contains("Bearer")), "{:?}", service.printed);
    service.kill().await;
    let mut migrations = world.database().migrations().await.unwrap();
    migrations.mark_environment(rylie_db::migration::Environment::Production, None).await.unwrap();

    let (url, keyring) = (world.url().to_owned(), world.keyring().display().to_string());
    let refused = Service::refused(folder.path(), &[("DATABASE_URL", &url), ("RYLIE_KEYRING", &keyring)]).await;

    assert!(refused.contains("start with FIRST_LOOK=off"), "{refused}");
    let unit = world.platform().await.unwrap();
    let users = unit.users().list(UserFilter::default(), PageRequest::default()).await.unwrap();
    assert!(users.items.iter().all(|user| !user.email.ends_with("first-look.example")), "{users:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_needs_a_session() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let agency = world.agency().await.unwrap();
    let unit = agency.unit().await.unwrap();
    let key = unit.api_keys().issue(&agency.admin.user.id).await.unwrap();
    unit.commit().await.unwrap();
    let service = Service::start(&world, folder.path()).await;
    let with_key = |method, path: &str| call(method, path).header("x-api-key", key.expose());

    let refused = with_key("DELETE", "/api/session").send(service.address).await.unwrap();

    assert_eq!(refused.status, 400);
    assert_eq!(with_key("GET", "/api/requests").send(service.address).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_time_token_signs_in_once_and_the_cookie_reads() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let agency = world.agency().await.unwrap();
    let unit = world.store().identity().await.unwrap();
    let email = agency.admin.user.email.clone();
    let expires = SystemEnv.now() + chrono::TimeDelta::hours(1);
    let token = unit.verification_tokens().issue(&email, expires).await.unwrap();
    unit.commit().await.unwrap();
    let service = Service::start(&world, folder.path()).await;
    let typed = format!(" {} ", email.to_uppercase());
    let sign_in = call("POST", "/api/session").json(&json!({"email": typed, "token": token.expose()}));

    let first = sign_in.send(service.address).await.unwrap();
    let second = sign_in.send(service.address).await.unwrap();

    assert_eq!((first.status, second.status), (204, 401));
    let cookie = first.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let list = call("GET", "/api/requests").header("cookie", cookie).send(service.address).await.unwrap();
    assert_eq!(list.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_for_curl_that_it_prints_have_a_token_that_works() {
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let service = Service::start(&world, folder.path()).await;
    let lines: Vec<_> = service.printed.iter().filter(|line| line.starts_with("curl")).collect();
    let token = lines[0].split("Bearer ").nth(1).unwrap().split('\'').next().unwrap();

    assert_eq!(lines.len(), 3);
    assert_eq!(call("GET", "/api/requests").token(token).send(service.address).await.unwrap().status, 200);
    let body: Value =
        serde_json::from_str(lines[1].split("--json '").nth(1).unwrap().split('\'').next().unwrap()).unwrap();
    let made = call("POST", "/api/requests").token(token).json(&body).send(service.address).await.unwrap();
    assert_eq!(made.status, 201);
}

/// Two agencies call and disconnect at random points: no foreign row, no 5xx.
#[tokio::test(flavor = "multi_thread")]
async fn two_agencies_that_disconnect_at_random_see_no_foreign_row_and_no_error() {
    const CALLERS: usize = 8;
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let agencies = [world.agency().await.unwrap(), world.agency().await.unwrap()];
    let mut foreign = Vec::new();
    for agency in &agencies {
        foreign.push(agency.request().await.unwrap().id.to_string());
    }
    let mut tokens = Vec::new();
    for agency in &agencies {
        tokens.push(session(&world, &agency.admin.user.id).await);
    }
    let service = Service::start(&world, folder.path()).await;
    let to = service.address;
    let callers = (0..CALLERS).map(|caller| {
        let side = caller % 2;
        let (token, other) = (tokens[side].clone(), foreign[1 - side].clone());
        let agency = agencies[side].agency.id.to_string();
        tokio::spawn(async move {
            let mut chance = Chance(caller as u64 + 1);
            for number in 0..number_of_calls() / CALLERS {
                let call = match chance.below(4) {
                    0 => create(&token, &format!("{side}-{caller}-{number}")),
                    1 => call("GET", format!("/api/requests/{other}")).token(&token),
                    2 => call("DELETE", format!("/api/requests/{other}")).token(&token),
                    _ => call("GET", "/api/requests?limit=100").token(&token),
                };
                if chance.below(4) == 0 {
                    let (bytes, wait) = (chance.below(call.length() * 2), chance.below(8));
                    call.abandon(to, bytes, Duration::from_millis(wait as u64)).await;
                    continue;
                }
                let answer = call.send(to).await.unwrap();
                assert!(answer.status < 500, "{}: {}", answer.status, answer.json);
                assert!(!answer.json.to_string().contains(&other), "a foreign row");
                let rows = answer.json["requests"].as_array().cloned().unwrap_or_default();
                assert!(rows.iter().all(|row| row["agencyId"] == json!(agency)), "a foreign row");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

/// The process is killed under load. Clients repeat with the same key until they have an answer.
#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_exists_exactly_once_although_the_process_was_killed() {
    const WRITERS: usize = 4;
    const WRITES: usize = 25;
    let (world, folder) = (world().await, TempDir::new().unwrap());
    let agency = world.agency().await.unwrap();
    let token = session(&world, &agency.admin.user.id).await;
    let mut service = Service::start(&world, folder.path()).await;
    let address = Arc::new(Mutex::new(service.address));
    let writers: Vec<_> =
        (0..WRITERS).map(|writer| tokio::spawn(write_all(address.clone(), token.clone(), writer, WRITES))).collect();
    let mut kills = 0;
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) && kills < 6 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        service.kill().await;
        kills += 1;
        service = Service::start(&world, folder.path()).await;
        *address.lock().unwrap() = service.address;
    }
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        for (title, id) in writer.await.unwrap() {
            assert!(acknowledged.insert((title, id)));
        }
    }

    assert!(kills > 0);
    let unit = agency.unit().await.unwrap();
    let mut stored = Vec::new();
    for offset in [0, 100] {
        let page = unit.requests().list(RequestFilter::default(), PageRequest::new(100, offset)).await.unwrap();
        stored.extend(page.items.into_iter().map(|request| (request.title, request.id.to_string())));
    }
    stored.sort();
    assert_eq!(stored, acknowledged.into_iter().collect::<Vec<_>>());
    assert_eq!(stored.len(), WRITERS * WRITES);
}

async fn write_all(to: Arc<Mutex<SocketAddr>>, token: String, writer: usize, count: usize) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    for number in 0..count {
        let title = format!("{writer}-{number}");
        let id = loop {
            let address = *to.lock().unwrap();
            match create(&token, &title).send(address).await {
                Ok(answer) if answer.status == 201 => break answer.json["id"].as_str().unwrap().to_owned(),
                Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.json),
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        acknowledged.push((title, id));
    }
    acknowledged
}

/// Numbers that look random and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap()
    }
}
