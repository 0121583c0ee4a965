//! `rylie maintain run` and `status`

use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::{Value, json};

use crate::audit::sqlite;
use crate::support::{Folder, Outcome};

fn job<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["jobs"].as_array().unwrap().iter().find(|job| job["name"] == name).unwrap()
}

#[test]
fn the_status_names_every_job_and_when_it_is_due() {
    let folder = Folder::migrated();
    let status = folder.run(["maintain", "status", "--json"]).expect(0).json();
    let names: Vec<_> = status["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
    let expected =
        ["analyze", "books", "integrity", "purge", "reindex", "sessions", "size", "usage", "usage-events", "vacuum"];
    assert_eq!(names, expected);
    let sessions = job(&status, "sessions");
    assert!(sessions["next_run"].is_string() && sessions["last_run"].is_null() && sessions["last_error"].is_null());
}

#[test]
fn every_job_runs_by_hand_and_shows_in_the_status() {
    let folder = Folder::migrated();
    folder.run(["keys", "generate", "--out", "keyring.json"]).expect(0);
    folder.run(["audit", "keygen", "--out", "audit.key"]).expect(0);
    folder.write("rylie.toml", "keyring = 'keyring.json'\naudit_key = 'audit.key'\naudit_keep_days = 90\n");
    let status = folder.run(["maintain", "status", "--json"]).expect(0).json();
    let jobs = status["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 12);
    for of_status in jobs {
        let name = of_status["name"].as_str().unwrap();
        let ran = folder.run(["maintain", "run", "--now", name, "--json"]).expect(0).json();
        assert_eq!((&ran["runs"][0]["job"], &ran["runs"][0]["outcome"]), (&name.into(), &"done".into()));
    }
    let status = folder.run(["maintain", "status", "--json"]).expect(0).json();
    for name in ["sessions", "vacuum", "audit"] {
        assert_eq!(job(&status, name)["last_status"], "done");
        assert!(job(&status, name)["last_run"].is_string());
    }
}

#[test]
fn a_job_that_fails_shows_until_it_succeeds() {
    let folder = Folder::migrated();
    folder.write("rylie.toml", "audit_key = 'nowhere.key'\n");
    folder.run(["maintain", "run", "--now", "audit"]).expect(1);
    let status = folder.run(["maintain", "status", "--json"]).expect(3).json();
    assert!(job(&status, "audit")["last_error"].as_str().unwrap().contains("signing key"), "{status}");

    folder.run(["audit", "keygen", "--out", "nowhere.key"]).expect(0);
    folder.run(["maintain", "run", "--now", "audit"]).expect(0);
    folder.run(["maintain", "status"]).expect(0);
}

#[test]
fn the_file_says_when_a_job_is_due() {
    let folder = Folder::migrated();
    let file = "[schedule.sessions]\ncron = '0 4 * * *'\nzone = 'Europe/Berlin'\n[schedule.usage]\nenabled = false\n";
    folder.write("rylie.toml", file);
    let shown = folder.run(["maintain", "run", "--dry-run", "--json"]).expect(0).json();
    assert!(job(&shown, "sessions")["next_run"].is_string() && job(&shown, "usage")["next_run"].is_null());
    let status = folder.run(["maintain", "status", "--json"]).expect(0).json();
    assert_eq!(job(&status, "sessions")["zone"], "Europe/Berlin");
    let settings = folder.run(["config", "show", "--json"]).expect(0).json();
    let of_file = |setting: &Value| setting["name"] == "schedule.sessions.cron" && setting["origin"] == "file";
    assert!(settings["settings"].as_array().unwrap().iter().any(of_file));
}

#[test]
fn a_schedule_that_is_wrong_is_bad_usage() {
    for (file, says) in [
        ("[schedule.sessions]\ncron = 'canary'\n", "schedule.sessions.cron"),
        ("[schedule.sesions]\ncron = '0 4 * * *'\n", "schedule.sesions"),
        ("[schedule.sessions]\nsoon = true\n", "schedule.sessions.soon"),
        ("[schedule]\ncron = '0 4 * * *'\n", "schedule.cron"),
    ] {
        let folder = Folder::migrated();
        folder.write("rylie.toml", file);
        folder.run(["maintain", "run", "--once"]).expect(2).says(says);
    }
    Folder::migrated().run(["maintain", "run", "--now", "nothing"]).expect(2).says("there is no such job");
}

#[test]
fn a_signal_ends_it_in_order() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::migrated();
        let mut child = folder.start(["maintain", "run", "--json"]);
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let started = errors.find(|line| line.as_ref().unwrap().starts_with("running jobs as "));
        assert!(started.is_some());

        let process = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &process]).status().unwrap().success());
        let outcome = Outcome::of(child.wait_with_output().unwrap()).expect(0);
        assert_eq!(outcome.json()["stopped"], true);
    }
}

#[test]
fn that_no_scheduler_runs_is_reported() {
    let folder = Folder::migrated();
    assert_eq!(folder.run(["maintain", "status", "--json"]).expect(0).json()["scheduler"]["overdue"], false);
    sqlite(&folder, &["UPDATE rylie_database SET created_at = '2026-01-01 00:00:00.000'"]);

    let never = folder.run(["maintain", "status", "--json"]).expect(3);
    never.line_says("sessions: it is overdue, and no scheduler knows it");
    assert_eq!(never.json()["scheduler"], json!({ "last_seen": null, "overdue": true }));

    folder.run(["maintain", "run", "--once"]).expect(0);
    folder.run(["maintain", "status"]).expect(0);
    sqlite(&folder, &["UPDATE rylie_job_runs SET due = '2026-01-02 00:00:00.000'"]);
    let gone = folder.run(["maintain", "status"]).expect(3);
    assert!(gone.out.contains("last sign of a scheduler: at 2026-01-02 00:00:00"), "{gone:?}");
}

#[test]
fn the_log_of_the_scheduler_reports_the_cause() {
    let folder = Folder::migrated();
    sqlite(&folder, &["DROP TABLE rylie_job_runs"]);
    let mut child = folder.start(["maintain", "run"]);
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);

    let line = errors.find(|line| line.contains("looking for due jobs")).unwrap();

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("no such table: rylie_job_runs"), "{line}");
}

#[test]
fn what_is_due_is_run_once_by_cron_as_well() {
    let folder = Folder::migrated();
    let first = folder.run(["maintain", "run", "--once", "--json"]).expect(0).json();
    assert_eq!(first["runs"], Value::Array(Vec::new()), "the jobs are known from now on");
    let status = folder.run(["maintain", "status", "--json"]).expect(0).json();
    assert!(job(&status, "usage")["problem"].is_null());
}
