//! Copies the files under test, so that they use the model's runtime and database instead of the real ones.
//!
//! A copy differs from its original in its paths, and in the places of [`MUTANTS`]: each gets a branch that runs while
//! its mutant is on. A place that is not in its file exactly once fails the build.

// A build script reports its errors by a panic.
#![allow(clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::{env, fs};

/// The paths that are replaced in every file.
const PATHS: &[(&str, &str)] =
    &[("sqlx::", "crate::sqlx::"), ("tokio::", "crate::tokio::"), ("std::sync::", "crate::sync::")];

/// A file under test.
struct File {
    name: &'static str,
    from: &'static str,
    /// What else is replaced.
    replaced: &'static [(&'static str, &'static str)],
}

const FILES: &[File] = &[
    File {
        name: "cache.rs",
        from: "crates/connection/src/cache.rs",
        replaced: &[
            ("use std::time::{Duration, Instant};", "use crate::time::{Duration, Instant};"),
            ("crate::bounds::", "super::fakes::"),
            ("crate::prepared::", "super::fakes::"),
            ("crate::probe::", "super::fakes::"),
        ],
    },
    File {
        name: "transaction.rs",
        from: "crates/connection/src/transaction.rs",
        replaced: &[
            ("use sea_orm::", "use super::fakes::"),
            ("crate::cache::", "super::fakes::"),
            ("crate::endpoint::", "super::fakes::"),
            ("crate::error::", "super::fakes::"),
            ("crate::holders::", "super::fakes::"),
            ("crate::server::", "super::fakes::"),
            ("crate::unit_costs::", "super::fakes::"),
            ("crate::unit_options::", "super::fakes::"),
            (
                "mod deferred;\nmod in_text;\nmod log_position;\nmod next;\n",
                "use super::fakes::{self, deferred, telemetry, transaction_connection};\n",
            ),
            ("mod savepoints;\n", "mod savepoints { include!(concat!(env!(\"OUT_DIR\"), \"/savepoints.rs\")); }\n"),
            ("mod single_statement;\nmod statement;\n", ""),
            (
                "mod statements;\nmod storable;\n",
                "mod statements { include!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/src/unit/statements.rs\")); }\n",
            ),
            ("mod telemetry;\nmod transaction_connection;\n", ""),
            (
                "pub(crate) use deferred::{Batch, Deferred, Lessor, Replacing};\npub(crate) use in_text::{Text, quoted};\npub(crate) use single_statement::{rows_of, rows_of_text};\npub use storable::refuse_unstorable;\n",
                "use deferred::Deferred;\n",
            ),
        ],
    },
    // Only the macro `guarded`, which `transaction.rs` gets through `src/unit/statements.rs`.
    File { name: "guarded.rs", from: "crates/connection/src/transaction/statements.rs", replaced: &[] },
    File { name: "savepoints.rs", from: "crates/connection/src/transaction/savepoints.rs", replaced: &[] },
    File {
        name: "savepoint.rs",
        from: "crates/tenancy/src/filter/savepoints.rs",
        replaced: &[
            ("use rylie_connection::Transaction;", "use super::transaction::Transaction;"),
            ("use crate::error::Result;", "use super::fakes::Result;"),
        ],
    },
    File {
        name: "run.rs",
        from: "crates/maintenance/src/scheduler/run.rs",
        replaced: &[
            ("use std::time::{Duration, Instant};", "use crate::time::{Duration, Instant};"),
            ("tokio::select! {", "tokio::select! {\n biased;"),
            ("use rylie_repositories::", "use super::fakes::"),
            ("rylie_repositories::Result", "super::fakes::StoreResult"),
            ("crate::error::", "super::fakes::"),
            ("crate::job::", "super::job::"),
        ],
    },
    File {
        name: "job.rs",
        from: "crates/maintenance/src/job.rs",
        replaced: &[("use rylie_repositories::", "use super::fakes::"), ("crate::error::", "super::fakes::")],
    },
];

/// A place that a mutant breaks.
struct Mutant {
    name: &'static str,
    file: &'static str,
    code: &'static str,
    /// The code with the branch.
    broken: &'static str,
}

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a dropped connection is cached without a wait for its running work",
        file: "cache.rs",
        code: "let alive = answered(leased.bounds().statement(None), cached.conn.ping()).await.and_then(|alive| alive);",
        broken: "let alive = if mutated() { Ok(()) } else {
            answered(leased.bounds().statement(None), cached.conn.ping()).await.and_then(|alive| alive)
        };",
    },
    Mutant {
        name: "a close waits for nobody",
        file: "cache.rs",
        code: "closed.await;",
        broken: "if !mutated() { closed.await; }",
    },
    Mutant {
        name: "a caller may connect before the closed connection is gone",
        file: "cache.rs",
        code: "runtime.spawn(async move {
            // Errors on closing do not matter.",
        broken: "let place = if mutated() { drop(place); None } else { place };
        runtime.spawn(async move {",
    },
    Mutant {
        name: "a caller may connect before the returned connection is cached",
        file: "cache.rs",
        code: "pub(crate) fn give_back(mut self) {",
        broken: "pub(crate) fn give_back(mut self) {
        if mutated() { self.place = None; }",
    },
    Mutant {
        name: "the watch ends although a connection was cached",
        file: "cache.rs",
        code: "let connections = std::mem::take(&mut at_hand.connections);
        if connections.is_empty() {",
        broken: "let connections = std::mem::take(&mut at_hand.connections);
        if mutated() { drop(at_hand); at_hand = self.at_hand(); }
        if connections.is_empty() {",
    },
    Mutant {
        name: "a savepoint is open when the connection is free",
        file: "transaction.rs",
        code: "self.savepoints.opened(number);",
        broken: "if mutated() { drop(open); shuttle::future::yield_now().await; }
        self.savepoints.opened(number);",
    },
    Mutant {
        name: "a savepoint ends after its release was answered",
        file: "transaction.rs",
        code: "self.savepoints.ended(number);
        self.execute(&mut open, &format!(\"RELEASE SAVEPOINT rylie_{number}\")).await?;",
        broken: "if !mutated() { self.savepoints.ended(number); }
        self.execute(&mut open, &format!(\"RELEASE SAVEPOINT rylie_{number}\")).await?;
        self.savepoints.ended(number);",
    },
    Mutant {
        name: "a savepoint that failed leaves the unit usable",
        file: "transaction.rs",
        code: "self.broken.store(true, Ordering::Relaxed);
        self.execute(&mut open, &format!(\"SAVEPOINT rylie_{number}\")).await?;",
        broken: "if !mutated() { self.broken.store(true, Ordering::Relaxed); }
        self.execute(&mut open, &format!(\"SAVEPOINT rylie_{number}\")).await?;",
    },
    Mutant {
        name: "a cancelled statement leaves the unit usable",
        file: "guarded.rs",
        code: "$self.broken.store(true, Ordering::Relaxed);",
        broken: "if !mutated() { $self.broken.store(true, Ordering::Relaxed); }",
    },
    Mutant {
        name: "of two savepoints the inner one is undone",
        file: "savepoints.rs",
        code: "undo.min(number)",
        broken: "if mutated() { undo.max(number) } else { undo.min(number) }",
    },
    Mutant {
        name: "an ended savepoint may be undone",
        file: "savepoints.rs",
        code: "if state.open.contains(&number) {",
        broken: "if mutated() || state.open.contains(&number) {",
    },
    Mutant {
        name: "the end of an outer savepoint leaves the inner one to be undone",
        file: "savepoints.rs",
        code: "state.undo = state.undo.filter(|undo| *undo < number);",
        broken: "if !mutated() { state.undo = state.undo.filter(|undo| *undo < number); }",
    },
    Mutant {
        name: "a run that the job ended itself is taken for lost",
        file: "run.rs",
        code: "run.lease() == *lease && run.status == RunStatus::Done",
        broken: "!mutated() && run.lease() == *lease && run.status == RunStatus::Done",
    },
    Mutant {
        name: "an aborted job is not waited for",
        file: "run.rs",
        code: "work.shutdown().await;",
        broken: "if !mutated() { work.shutdown().await; }",
    },
    Mutant {
        name: "a holder that lost its lease commits",
        file: "job.rs",
        code: "return Err(Error::LeaseLost);",
        broken: "if !mutated() { return Err(Error::LeaseLost); }",
    },
    Mutant {
        name: "a run that committed may be reported as failed",
        file: "run.rs",
        code: "if context.is_finished() && !matches!(ended, Ended::Done(_)) {",
        broken: "if !mutated() && context.is_finished() && !matches!(ended, Ended::Done(_)) {",
    },
    Mutant {
        name: "a run that committed is recorded once more",
        file: "run.rs",
        code: "Self::Done(report) if context.is_finished() =>",
        broken: "Self::Done(report) if !mutated() && context.is_finished() =>",
    },
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let (root, out) = (Path::new("../.."), env::var("OUT_DIR").expect("Cargo names it"));
    for file in FILES {
        let from = root.join(file.from);
        println!("cargo::rerun-if-changed={}", from.display());
        let text = fs::read_to_string(&from).unwrap_or_else(|error| panic!("{}: {error}", file.from));
        // `include!` takes no inner documentation.
        let mut text: String =
            text.lines().filter(|line| !line.starts_with("//!")).flat_map(|line| [line, "\n"]).collect();
        if file.name == "guarded.rs" {
            let from = text.find("macro_rules! guarded").expect("the macro is there");
            let length = text[from..].find("\n}\n").expect("the macro has an end");
            text = String::from(&text[from..from + length + 3]);
        }
        for mutant in MUTANTS.iter().filter(|mutant| mutant.file == file.name) {
            let broken = mutant.broken.replace("mutated()", &format!("crate::mutated({:?})", mutant.name));
            text = replaced(&text, mutant.code, &broken, file);
        }
        for (code, instead) in file.replaced {
            assert!(text.contains(code), "{} has no {code:?}", file.from);
            text = text.replace(code, instead);
        }
        for (path, instead) in PATHS {
            text = text.replace(path, instead);
        }
        fs::write(Path::new(&out).join(file.name), text).expect("the build folder can be written");
    }
}

fn replaced(text: &str, code: &str, instead: &str, file: &File) -> String {
    assert_eq!(text.matches(code).count(), 1, "{} must have this once: {code}", file.from);
    text.replace(code, instead)
}
