//! The extractors over mocks, and the README's promise.

use std::sync::Arc;

use axum::http::Method;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MockStore, MockTenantUnit};
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
        (|| Error::Timeout, 503, "timeout", ""),
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
