//! `rylie backup` in object storage.

use std::process::Stdio;
use std::time::Duration;

use rylie_testkit::{Cluster, PostgresDatabase};
use serde_json::{Value, json};

use crate::backup::{Fixture, on_both, status};
use crate::s3_server::S3Server;
use crate::support::Outcome;

const PLACE: &str = "s3://kept/of/rylie";

fn run(fixture: &Fixture, server: &S3Server, words: &[&str]) -> Outcome {
    let mut command = fixture.command(words);
    server.named_in(&mut command);
    Outcome::of(command.env("RYLIE_BACKUPS", PLACE).output().unwrap())
}

fn create(fixture: &Fixture, server: &S3Server) -> Value {
    run(fixture, server, &["backup", "create", "--json"]).expect(0).json()
}

fn listed(fixture: &Fixture, server: &S3Server) -> Vec<Value> {
    run(fixture, server, &["backup", "list", "--json"]).expect(0).json()["backups"].as_array().unwrap().clone()
}

/// Adds a table of so many megabytes that do not compress.
pub(crate) async fn fill(fixture: &Fixture, megabytes: u32) {
    let postgres = format!(
        "CREATE TABLE bulk AS SELECT i AS id, (SELECT string_agg(md5(i || ' ' || j), '') FROM generate_series(1, 64) AS j) \
         AS noise FROM generate_series(1, {}) AS i",
        megabytes * 1024
    );
    let sqlite = format!(
        "CREATE TABLE bulk AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {megabytes}) \
         SELECT i AS id, randomblob(1048576) AS noise FROM n"
    );
    fixture.sql(if fixture.world.is_postgres() { &postgres } else { &sqlite }).await;
}

/// An empty database, or the address of a new file.
async fn empty(fixture: &Fixture) -> (Option<PostgresDatabase>, String) {
    if !fixture.world.is_postgres() {
        return (None, format!("sqlite://{}", fixture.folder.path("restored.db").display()));
    }
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    (Some(database), url)
}

async fn a_backup_in_object_storage_is_made_proven_restored_and_removed(fixture: Fixture) {
    let server = S3Server::start();
    let first = create(&fixture, &server);
    let id = first["id"].as_str().unwrap();

    assert_eq!(first["path"], format!("{PLACE}/{id}"));
    let verified = run(&fixture, &server, &["backup", "verify", id, "--json"]).expect(0).json();
    assert_eq!((&verified["verified"], &verified["rows"]), (&json!(true), &first["rows"]));
    let certificate = format!("{PLACE}/{id}/certificate.txt");
    assert_eq!(verified["certificate"], certificate);
    run(&fixture, &server, &["backup", "check-certificate", &certificate, "--out", PLACE]).expect(0);
    assert_eq!(listed(&fixture, &server)[0]["verified"], true);

    let gone = first["tenants"].as_object().unwrap().iter().find(|(_, rows)| rows["Agency"] == 1).unwrap().0.clone();
    run(&fixture, &server, &["tenant", "erase", &gone, "--yes"]).expect(0);
    assert!(server.state().objects.contains_key("of/rylie/erasures.txt"));
    let (_database, to) = empty(&fixture).await;
    let restored = run(&fixture, &server, &["backup", "restore", id, "--to", &to, "--json"]).expect(0).json();
    assert_eq!(restored["erased_again"]["tenants"], json!([gone]));

    let second = run(&fixture, &server, &["backup", "create", "--verify", "--json"]).expect(0).json();
    let pruned = run(&fixture, &server, &["backup", "prune", "--keep", "1", "--json"]).expect(0).json();
    assert_eq!((&pruned["removed"], &pruned["kept"]), (&json!([id]), &json!([second["id"]])));
    let state = server.state();
    assert!(
        state.objects.keys().all(|name| !name.contains(id) && !name.contains("incomplete")),
        "{:?}",
        state.objects.keys()
    );
}

async fn an_encrypted_backup_in_object_storage_is_proven_and_restored(fixture: Fixture) {
    let server = S3Server::start();
    let made = run(&fixture, &server, &["backup", "create", "--encrypt", "keyring", "--json"]).expect(0).json();
    let id = made["id"].as_str().unwrap();

    let verified = run(&fixture, &server, &["backup", "verify", id, "--json"]).expect(0).json();
    assert_eq!((&verified["verified"], &verified["rows"]), (&json!(true), &made["rows"]));
    let (_database, to) = empty(&fixture).await;
    let restored = run(&fixture, &server, &["backup", "restore", id, "--to", &to, "--json"]).expect(0).json();
    assert_eq!(restored["rows"], made["rows"]);
}

async fn a_key_that_a_backup_in_object_storage_needs_is_not_destroyed(fixture: Fixture) {
    let server = S3Server::start();
    let made = run(&fixture, &server, &["backup", "create", "--encrypt", "keyring", "--json"]).expect(0).json();
    let key = made["encryption"]["key"].as_str().unwrap();
    run(&fixture, &server, &["keys", "rotate"]).expect(0);
    run(&fixture, &server, &["keys", "reencrypt"]).expect(0);

    run(&fixture, &server, &["keys", "destroy", key]).expect(4).line_says(made["id"].as_str().unwrap());
}

async fn a_run_that_is_killed_leaves_no_backup_and_the_next_removes_its_remains(fixture: Fixture) {
    let server = S3Server::start();
    let good = create(&fixture, &server);
    fill(&fixture, 32).await;
    server.state().delay = Duration::from_millis(150);
    for percent in [10, 50, 90] {
        let before = server.state().received;
        let mut command = fixture.command(&["backup", "create", "--quiet"]);
        server.named_in(&mut command);
        let mut child = command.env("RYLIE_BACKUPS", PLACE).stderr(Stdio::null()).spawn().unwrap();
        while server.state().received - before < (32 << 20) * percent / 100 && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(child.try_wait().unwrap().is_none(), "it was still running at {percent} %");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(listed(&fixture, &server).len(), 1);
    }
    let left = server.state().uploads.len();
    assert!(left <= 1, "each run removes what the one before it left: {left} uploads");
    server.state().delay = Duration::ZERO;

    let whole = create(&fixture, &server);

    assert_eq!(listed(&fixture, &server).len(), 2);
    for id in [&good["id"], &whole["id"]] {
        run(&fixture, &server, &["backup", "verify", id.as_str().unwrap()]).expect(0);
    }
    let state = server.state();
    assert!(state.uploads.is_empty() && state.objects.keys().all(|name| !name.contains(".incomplete")));
    assert!(state.largest <= 8 << 20, "a part is eight megabytes: {}", state.largest);
}

async fn object_storage_that_refuses_or_is_gone_is_named_and_no_secret_is_shown(fixture: Fixture) {
    let server = S3Server::start();
    let good = create(&fixture, &server);
    let create = |place: &str, more: &[(&str, &str)]| {
        let mut command = fixture.command(&["backup", "create", "-v"]);
        server.named_in(&mut command);
        let outcome = Outcome::of(command.env("RYLIE_BACKUPS", place).envs(more.iter().copied()).output().unwrap());
        assert!(!outcome.err.contains("canary-secret"), "{outcome:?}");
        outcome.expect(1)
    };
    let wrong = create(PLACE, &[("AWS_ACCESS_KEY_ID", "stranger")]);
    assert!(wrong.err.contains("credentials are refused") && wrong.err.contains(PLACE), "{wrong:?}");
    let missing = create("s3://other/of", &[]);
    assert!(missing.err.contains("no such bucket"), "{missing:?}");
    server.state().is_silent = true;
    let silent = create(PLACE, &[("AWS_TIMEOUT", "1s")]);
    assert!(silent.err.contains(PLACE), "{silent:?}");
    server.state().is_silent = false;
    server.state().is_gone = true;
    let gone = create(PLACE, &[]);
    assert!(gone.err.contains(PLACE), "{gone:?}");
    server.state().is_gone = false;

    let listed = listed(&fixture, &server);
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &good["id"]));
}

async fn a_flipped_bit_and_a_missing_object_are_named(fixture: Fixture) {
    let server = S3Server::start();
    let id = create(&fixture, &server)["id"].as_str().unwrap().to_owned();
    let largest = {
        let mut state = server.state();
        let copies = state.objects.iter_mut().filter(|(name, _)| name.contains(&id));
        let (name, bytes) = copies.max_by_key(|(_, bytes)| bytes.len()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        name.clone()
    };
    let verify = || run(&fixture, &server, &["backup", "verify", &id, "--json"]).expect(3).json();

    assert!(status(&verify(), "files").1.contains("its checksum differs"));
    server.state().objects.remove(&largest);
    assert!(status(&verify(), "files").1.contains("is missing"));
    server.state().objects.remove(&format!("of/rylie/{id}/manifest.json"));
    run(&fixture, &server, &["backup", "verify", &id]).expect(1).line_says("there is no backup");
    assert!(listed(&fixture, &server).is_empty());
}

on_both! {
    a_backup_in_object_storage_is_made_proven_restored_and_removed,
    an_encrypted_backup_in_object_storage_is_proven_and_restored,
    a_key_that_a_backup_in_object_storage_needs_is_not_destroyed,
    a_run_that_is_killed_leaves_no_backup_and_the_next_removes_its_remains,
    object_storage_that_refuses_or_is_gone_is_named_and_no_secret_is_shown,
    a_flipped_bit_and_a_missing_object_are_named,
}
