//! Tests whether each filter and each check is needed: the attack suite must fail without any one of them.
//!
//! `cargo test -p rylie-tests --test mutations -- --ignored --nocapture`
//!
//! A copy of the workspace has a switch for every filter and check, set by its number in the environment. The copy is
//! built once, and the suite runs once for each switch. Points are found by their form in the code, so none can be
//! missing from a list. `it/isolation/attacks_without_policies.rs` does the same for PostgreSQL's policies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod copy;
mod points;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use points::Point;

/// Points without which the suite still passes, with the reason why that is safe.
const BEHIND_OTHERS: [(&str, &str); 10] = [
    ("update_expr in crates/tenancy/src/filter/writes.rs", "its only caller has read the row through the filter"),
    (
        "owner_and_key in crates/tenancy/src/filter/owner.rs",
        "the same statement reads the row's user through the filter",
    ),
    (
        "signed_in in crates/repositories/src/identity/api_keys.rs",
        "the key that is opened is compared with the one given",
    ),
    ("owned_by in crates/entities/src/account.rs", "no tenant's unit has accounts"),
    ("owned_by in crates/entities/src/session.rs", "no tenant's unit has sessions"),
    ("owned_by in crates/entities/src/idempotency_key.rs", "each of its statements names the caller's own id"),
    (
        "insert_for in crates/tenancy/src/filter/owned.rs",
        "it runs on PostgreSQL only, where its statement adds nothing for such a user",
    ),
    (
        "insert_for_and_commit in crates/tenancy/src/filter/owned_at_once.rs",
        "it runs on PostgreSQL only, where its function adds nothing for such a user",
    ),
    (
        "saved in crates/tenancy/src/filter/saved_at_once.rs",
        "it runs on PostgreSQL only, where its function writes nothing for such a user",
    ),
    ("owned_by in crates/entities/src/usage_event.rs", "whose events they are was read through the filter"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Runs the suite against the tenant filter alone, on SQLite, with one point turned off.
fn suite(copy: &Path, without: Option<usize>) -> Output {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap());
    cargo.args(["test", "--package", "rylie-testkit", "--test", "it", "attacks::"]).current_dir(copy);
    // Dependencies are built already.
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    cargo.env("CARGO_TARGET_DIR", target).env("RYLIE_ATTACK_SEED", "1");
    cargo.env("RYLIE_TEST_MUTATION", without.map(|number| number.to_string()).unwrap_or_default());
    cargo.output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
fn every_part_of_the_tenant_filter_is_found_by_its_form() {
    let points = points::all(&root());
    let found = |what: &str| points.iter().filter(|point| point.what.starts_with(what)).count();

    let counts = ["a filter", "owned_by", "a check", "a refusal", "named"].map(found);
    assert!(counts[0] >= 8 && counts[1] >= 12 && counts[2] >= 8 && counts[3] >= 4, "{counts:?}");
    assert_eq!(counts[4], points::NAMED.len(), "a named point is gone, or is there twice");
    for (behind, _) in BEHIND_OTHERS {
        assert!(points.iter().any(|point| point.place() == behind), "{behind} is gone: take it from the list");
    }
}

#[test]
#[ignore = "builds a second workspace: some minutes"]
fn the_suite_is_red_without_any_one_filter_or_check() {
    let points = points::all(&root());
    let copy = copy::with_switches(&root(), &points);
    let whole = suite(&copy, None);
    assert!(whole.status.success(), "the suite is red with everything in place:\n{}", text(&whole));

    let mut wrong = Vec::new();
    for (number, point) in points.iter().enumerate() {
        let said = text(&suite(&copy, Some(number)));
        let red = said.contains("BROKE [");
        let behind_others = BEHIND_OTHERS.iter().any(|(behind, _)| point.place() == *behind);
        println!("{}: {point}", if red { "red" } else { "green" });
        if red == behind_others {
            wrong.push(format!(
                "{point}: {}\n{}",
                if red { "red, and listed as behind others" } else { "green" },
                last(&said)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} points:\n{}", wrong.len(), points.len(), wrong.join("\n"));
}

fn last(said: &str) -> String {
    let lines: Vec<_> = said.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
