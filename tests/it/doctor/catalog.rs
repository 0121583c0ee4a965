//! Every check has a fixture that trips it and one that does not. A check without one fails here by its name.

use std::collections::BTreeSet;

use rylie_db::maintenance::check_ids;

use super::plants::{APPLICATION, ISOLATION, OBSTACLES, SERVER, TABLES, UNLIKE_KEYS};
use super::{activity, evidence, file, given, planted, rights};

/// Checks of keys, audit log, backups, jobs, growth and the write-ahead log. The tests of the command trip them, because
/// its other commands make their evidence.
const BY_THE_COMMAND: [(&str, &str); 11] = [
    ("application.keyring", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.secrets-open", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.audit-log", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.audit-key", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.audit-checkpoint", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.backup-age", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.backup-damage", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.jobs-late", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("tables.growth", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("tables.disk-full", include_str!("../../../crates/cli/tests/it/doctor_operation.rs")),
    ("application.wal-arriving", include_str!("../../../crates/cli/tests/it/pitr.rs")),
];

/// Checks of files and sessions that a URL or a superuser of the machine cannot trip, and a stuck writer; tested next to
/// their code and in `causes.rs`.
const BY_UNIT_TESTS: [&str; 3] = ["sqlite.network-file", "sqlite.writable", "sqlite.foreign-keys"];

/// The check that fails if the database cannot be opened; `activity.rs` and `file.rs`.
const REACHABLE: &str = "server.reachable";

fn by_the_command() -> impl Iterator<Item = &'static str> {
    BY_THE_COMMAND.iter().map(|(check, _)| *check)
}

#[test]
fn every_check_of_postgres_has_a_fixture() {
    let plants = [ISOLATION, TABLES, SERVER, APPLICATION, OBSTACLES, &[UNLIKE_KEYS]].concat();
    let tested: BTreeSet<&str> = plants
        .iter()
        .map(|plant| plant.check)
        .chain(given::GIVEN.iter().map(|given| given.check))
        .chain(evidence::EVIDENCE.iter().map(|evidence| evidence.check))
        .chain(evidence::COMPARED)
        .chain(planted::BY_THRESHOLD)
        .chain(activity::BLOCKED)
        .chain(by_the_command())
        .chain([REACHABLE, rights::BY_ANOTHER_DATABASE])
        .collect();
    assert_same(&tested, &check_ids(false));
}

#[test]
fn every_check_of_sqlite_has_a_fixture() {
    let shared = ["queries.loops", "application.alert-targets"];
    let tested: BTreeSet<&str> = file::FAULTS
        .iter()
        .map(|(check, _)| *check)
        .chain(file::OF_THE_FILE)
        .chain(by_the_command().filter(|check| *check != "application.wal-arriving"))
        .chain(BY_UNIT_TESTS)
        .chain(shared)
        .chain(["application.audit-backlog", REACHABLE])
        .collect();
    assert_same(&tested, &check_ids(true));
}

#[track_caller]
fn assert_same(tested: &BTreeSet<&str>, ids: &[&str]) {
    let ids: BTreeSet<&str> = ids.iter().copied().collect();
    let untested: Vec<&&str> = ids.difference(tested).collect();
    assert!(untested.is_empty(), "checks without a fixture: {untested:?}");
    let unknown: Vec<&&str> = tested.difference(&ids).collect();
    assert!(unknown.is_empty(), "fixtures without a check: {unknown:?}");
}

#[test]
fn the_tests_of_the_command_name_their_checks() {
    for (check, source) in BY_THE_COMMAND {
        assert!(source.contains(&format!("\"{check}\"")), "no test of the command names {check}");
    }
}
