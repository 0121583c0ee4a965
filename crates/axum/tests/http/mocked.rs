//! The extractors over mocks, and the README's promise.

use std::sync::Arc;

use axum::http::Method;
use rylie_db::prelude::*;
use rylie_db::repositories::{Claim, Error, MockStore, MockTenantUnit};
use serde_json::json;

use crate::service::{call, router};

/// An error, and the status, the problem and the wait that it becomes.
type Case = (fn() -> Error, u16, &'static str, &'static str);

fn ann() -> SignedInUser {
    SignedInUser::for_tests("ann".parse().unwrap(), UserRole::AgencyAdmin, Some("north".parse().unwrap()))
}

#[tokio::test]
async fn a_write_over_a_mock_commits_once_and_not_after_an_error() {
    for (refused, status, commits) in [(false, 201, 1), (true, 409, 0)] {
        let mut unit = MockTenantUnit::default();
        unit.requests.expect_add().times(1).returning(move |_| {
            let conflict = Error::Conflict { entity: "Request".to_owned(), field: "secretIndex".to_owned() };
            if refused { Err(conflict) } else { Ok(Request::for_tests("r1")) }
        });
        unit.audit.expect_record().returning(|_| Ok(()));
        let counted = unit.commits.clone();
        let mut store = MockStore::signed_in(ann());
        store.expect_open_tenant().times(1).return_once(|_, _, _| Ok(Box::new(unit)));
        let body = json!({"title": "x", "type": "page"});

        let answer = call(Method::POST, "/requests")
            .header("authorization", "Bearer token")
            .json(&body)
            .on(&router(Arc::new(store)))
            .await;

        assert_eq!(answer.status, status);
        assert!(!answer.json.to_string().contains("secretIndex"));
        assert_eq!(counted.load(std::sync::atomic::Ordering::SeqCst), commits);
    }
}

#[tokio::test]
async fn an_error_of_the_service_is_hidden_and_one_of_the_moment_says_when_to_repeat() {
    let cases: [Case; 3] = [
        (|| Error::NoKeyring, 500, "internal", ""),
        (|| Error::Contention, 503, "contention", "1"),
        (|| Error::Timeout, 503, "timeout", "1"),
    ];
    for (error, status, problem, wait) in cases {
        let mut unit = MockTenantUnit::default();
        unit.requests.expect_list().returning(move |_, _| Err(error()));
        let mut store = MockStore::signed_in(ann());
        store.expect_open_tenant().return_once(|_, _, _| Ok(Box::new(unit)));

        let call = call(Method::GET, "/requests").header("authorization", "Bearer token");
        let answer = call.on(&router(Arc::new(store))).await;

        assert_eq!((answer.status.as_u16(), answer.problem()), (status, problem));
        assert_eq!(answer.header("retry-after"), wait);
        assert!(!answer.json.to_string().contains("RYLIE"), "no setting is named: {}", answer.json);
    }
}

/// The client gets the whole answer. A repetition gets it without the body, because so long a text is not stored.
#[tokio::test]
async fn an_answer_that_is_too_long_to_be_stored_is_given_all_the_same() {
    let long = "x".repeat(2 << 20);
    let mut unit = MockTenantUnit::default();
    let description = long.clone();
    unit.requests.expect_add().return_once(|_| Ok(Request { description, ..Request::for_tests("r1") }));
    unit.audit.expect_record().returning(|_| Ok(()));
    unit.idempotency.expect_claim().return_once(|_, _| Ok(Claim::New));
    unit.idempotency
        .expect_answer()
        .withf(|key, stored| key == "k" && stored.len() < 1_000 && stored.contains("/requests/r1"))
        .times(1)
        .return_once(|_, _| Ok(()));
    let mut store = MockStore::signed_in(ann());
    store.expect_open_tenant().return_once(|_, _, _| Ok(Box::new(unit)));

    let answer = call(Method::POST, "/requests")
        .header("authorization", "Bearer token")
        .header("idempotency-key", "k")
        .json(&json!({"title": "x", "type": "page"}))
        .on(&router(Arc::new(store)))
        .await;

    assert_eq!((answer.status.as_u16(), answer.json["description"].as_str().unwrap().len()), (201, long.len()));
}

/// A full pool has used up its time already, and a second wait would only make the queue longer.
#[tokio::test]
async fn opening_is_repeated_after_a_failure_at_once_and_not_after_a_wait() {
    for (waits, attempts) in [(0, 3), (5, 1)] {
        let mut store = MockStore::signed_in(ann());
        store.expect_open_tenant().times(attempts).returning(move |_, _, _| {
            std::thread::sleep(std::time::Duration::from_millis(waits * 250));
            Err(Error::Contention)
        });

        let call = call(Method::GET, "/requests").header("authorization", "Bearer token");
        let answer = call.on(&router(Arc::new(store))).await;

        assert_eq!(answer.problem(), "contention");
    }
}

#[tokio::test]
async fn a_handler_that_panics_answers_as_a_problem_with_the_correlation_id() {
    let mut store = MockStore::signed_in(ann());
    store.expect_open_tenant().return_once(|_, _, _| Ok(Box::new(MockTenantUnit::default())));
    let call = call(Method::GET, "/panics").header("authorization", "Bearer token").header("x-request-id", "call-7");

    let answer = call.on(&router(Arc::new(store))).await;

    assert_eq!((answer.status.as_u16(), answer.problem()), (500, "internal"));
    assert_eq!(answer.header("x-request-id"), "call-7");
}

#[tokio::test]
async fn a_body_of_a_stranger_has_the_limits_of_every_body() {
    let router = router(Arc::new(MockStore::default()));
    let sign_in = || call(Method::POST, "/sign-in");
    let body = json!({"title": "t", "type": "page"});

    assert_eq!(sign_in().json(&body).on(&router).await.status, 200);
    let long = json!({"title": "x".repeat(2 << 20), "type": "page"});
    assert_eq!(sign_in().json(&long).on(&router).await.problem(), "too-large");
    assert_eq!(sign_in().json(&json!({"title": 1})).on(&router).await.problem(), "malformed");
    assert_eq!(sign_in().json(&json!(["t", "d", "page"])).on(&router).await.problem(), "malformed", "no object");
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", "application/json; charset = utf-16"),
        ("content-encoding", "gzip"),
    ] {
        let call = if name == "content-type" { sign_in().body(body.to_string()) } else { sign_in().json(&body) };
        assert_eq!(call.header(name, value).on(&router).await.problem(), "not-json", "{value}");
    }
    let utf_8 = sign_in().body(body.to_string()).header("content-type", "application/json; charset=\"UTF-8\"");
    assert_eq!(utf_8.on(&router).await.status, 200);
}

/// The README's first program, without blank lines and comments.
#[test]
fn the_first_program_of_the_readme_has_at_most_forty_lines() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```no_run\n").unwrap();
    let (program, _) = rest.split_once("```").unwrap();
    let lines = program.lines().filter(|line| !line.trim().is_empty()).count();

    assert!(program.contains("fn main") && lines <= 40, "{lines} lines");
    let steps = readme.lines().filter(|line| line.split_once(". ").is_some_and(|(n, _)| n.parse::<u8>().is_ok()));
    assert_eq!(steps.count(), 5);
}
