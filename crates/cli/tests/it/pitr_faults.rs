//! `rylie pitr` where something is wrong: a gap, damage, a lost slot, killed processes, other clusters.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rylie_testkit::Cluster;
use serde_json::Value;

use crate::pitr::{Pitr, open_folder, wait_until};
use crate::support::Outcome;

fn findings(status: &Value) -> String {
    let findings = status["findings"].as_array().unwrap();
    let texts = findings.iter().map(|finding| format!("{}: {}", finding["id"].as_str().unwrap(), finding["detail"]));
    texts.collect::<Vec<_>>().join("; ")
}

/// Fills some segments, each with a commit.
async fn fill(pitr: &Pitr, from: i32) {
    for id in from..from + 3 {
        pitr.commit(id).await;
        pitr.sql("SELECT pg_switch_wal()").await;
    }
    pitr.run(&["check"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_a_truncated_and_a_foreign_segment_are_named() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let early = pitr.commit(1).await;
    fill(&pitr, 10).await;
    let late = pitr.commit(20).await;
    fill(&pitr, 30).await;
    pitr.status(0);
    let segments = pitr.segments();
    let victim = &segments[segments.len() - 4];
    let name = victim.file_name().unwrap().to_str().unwrap().to_owned();
    let bytes = fs::read(victim).unwrap();

    let mut foreign = bytes.clone();
    foreign[24] ^= 1;
    for (content, words) in [
        (None, "is missing, and later ones are there"),
        (Some(bytes[..100_000].to_vec()), "is truncated: 100000 bytes of 16777216"),
        (Some(foreign), "is of another database cluster"),
    ] {
        match content {
            Some(content) => fs::write(victim, content).unwrap(),
            None => fs::remove_file(victim).unwrap(),
        }
        let found = findings(&pitr.status(3));
        assert!(found.contains(&format!("gap: \"WAL segment {name} {words}")), "{found}");
        let words = ["restore", "--to-time", &late, "--into", "new"];
        pitr.run(&words).expect(3).line_says(&name);
        pitr.run(&["restore", "--latest", "--into", "new"]).expect(3).line_says(&name);
        assert!(!pitr.fixture.folder.path("new").exists());
    }

    // The log before the gap still leads to earlier times.
    assert_eq!(pitr.probe_after(&["--to-time", &early]).await, [1]);

    // Damage within a segment is found by its replay.
    let mut damaged = bytes.clone();
    let middle = damaged.iter().rposition(|byte| *byte != 0).unwrap() / 2;
    damaged[middle..middle + 8].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(victim, damaged).unwrap();
    let outcome = pitr.run(&["restore", "--latest", "--into", "latest"]);
    let reached = outcome.code == Some(3) || !outcome.out.contains("20");
    assert!(reached, "{outcome:?}");
    fs::write(victim, bytes).unwrap();
    pitr.status(0);
}

fn flip(path: &Path, at: u64) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(b"\xA5\x5A\xA5").unwrap();
}

/// A file of a table in a base.
fn table_file(base: &Path) -> PathBuf {
    let databases = base.join("data/base").read_dir().unwrap().flatten();
    let files = databases.flat_map(|folder| folder.path().read_dir().unwrap().flatten());
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.retain(|path| path.metadata().unwrap().len() > 8192);
    files.sort();
    files.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_base_is_named_and_old_bases_are_removed_only_after_a_good_one() {
    let Some(pitr) = Pitr::with_base().await else { return };
    fill(&pitr, 1).await;
    let first = pitr.bases().pop().unwrap();
    let second = pitr.run(&["base", "--json"]).expect(0).json();
    fill(&pitr, 10).await;
    let before = pitr.segments().len();

    let third = pitr.run(&["base", "--keep", "2", "--json"]).expect(0).json();
    assert_eq!(third["removed"], serde_json::json!([first.file_name().unwrap().to_str().unwrap()]));
    assert!(third["removed_segments"].as_u64().unwrap() >= 3 && pitr.segments().len() < before, "{third:#}");
    assert_eq!(pitr.bases().len(), 2);
    pitr.status(0);

    let newest = PathBuf::from(third["path"].as_str().unwrap());
    let file = table_file(&newest);
    flip(&file, 4096);
    pitr.commit(100).await;
    let now = pitr.commit(101).await;
    fill(&pitr, 110).await;
    let words = ["restore", "--to-time", &now, "--into", "new"];
    let refused = pitr.run(&words).expect(3);
    refused.line_says(file.file_name().unwrap().to_str().unwrap());
    assert!(!pitr.fixture.folder.path("new").exists());
    let words = ["--to-time", &now, "--base", second["id"].as_str().unwrap()];
    assert!(pitr.probe_after(&words).await.contains(&101));

    fs::remove_file(newest.join("base.json")).unwrap();
    assert!(findings(&pitr.status(3)).contains("base: \"the backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_base_leaves_none_and_a_dropped_slot_is_named() {
    let Some(mut pitr) = Pitr::new().await else { return };
    pitr.run(&["init"]).expect(0);
    pitr.start_receiver();
    let found = findings(&pitr.status(3));
    assert!(found.contains("there is no base"), "{found}");

    for signal in ["-KILL", "-TERM"] {
        let mut command = pitr.command(&["base", "--max-rate", "1M"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(|| pitr.bases().iter().any(|base| base.join("data/PG_VERSION").exists()));
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        child.wait().unwrap();
        assert!(findings(&pitr.status(3)).contains("there is no base"));
    }
    pitr.run(&["base"]).expect(0);
    assert_eq!(pitr.bases().len(), 1, "what killed runs left is removed");
    pitr.status(0);

    pitr.end_receiver("-TERM");
    let is_active = "EXISTS (SELECT FROM pg_replication_slots WHERE active)";
    pitr.sql(&format!("DO $$ BEGIN WHILE {is_active} LOOP PERFORM pg_sleep(0.05); END LOOP; END $$")).await;
    pitr.sql("SELECT pg_drop_replication_slot('rylie_pitr')").await;
    let found = findings(&pitr.status(3));
    assert!(found.contains("slot: \"the server has no replication slot rylie_pitr"), "{found}");
    pitr.run(&["check", "--wait", "1"]).expect(3).line_says("slot: the server has no replication slot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_drill_leaves_no_server_and_no_copy() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let scratch = open_folder();
    for wait in [20, 300, 600] {
        let mut command = pitr.command(&["drill", "--scratch-dir", scratch.path().to_str().unwrap()]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let copies = || scratch.path().read_dir().unwrap().count();
        wait_until(|| copies() > 0);
        std::thread::sleep(Duration::from_millis(wait));

        child.kill().unwrap();
        child.wait().unwrap();

        wait_until(|| copies() == 0);
        let of_server = Command::new("pgrep").arg("-f").arg(scratch.path().join(".rylie-restore-")).output().unwrap();
        let commands = String::from_utf8(of_server.stdout).unwrap();
        wait_until(|| commands.lines().all(|pid| !Path::new("/proc").join(pid).exists()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_no_base_and_keeps_the_earlier_one() {
    let Some(pitr) = Pitr::with_base().await else { return };
    let earlier = pitr.bases();
    let program = pitr.command(&[]);
    let mut full = Command::new("sh");
    // Files longer than 64 blocks cannot be written, as on a full disk.
    full.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" pitr base --json"]).arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => full.env(name, value),
            None => full.env_remove(name),
        };
    }

    let outcome = Outcome::of(full.current_dir(program.get_current_dir().unwrap()).output().unwrap());

    assert!(outcome.code.is_some_and(|code| code != 0), "{outcome:?}");
    assert!(outcome.err.contains("File too large"), "{outcome:?}");
    assert_eq!(pitr.bases(), earlier);
    pitr.status(0);
    pitr.run(&["base"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_that_stops_arriving_is_noticed() {
    let Some(mut pitr) = Pitr::with_base().await else { return };
    let receivers = || {
        let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid=,comm="]).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let parent = pitr.receiver.as_ref().unwrap().id().to_string();
        let lines = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let ours = lines.filter(|words| words.len() == 3 && words[1] == parent && words[2] == "pg_receivewal");
        ours.map(|words| words[0].to_owned()).collect::<Vec<_>>()
    };
    let process = receivers().pop().unwrap();

    Command::new("kill").args(["-STOP", &process]).status().unwrap();
    pitr.commit(1).await;
    let words = ["status", "--wait", "3", "--max-lag", "2", "--json"];
    let stopped = pitr.run(&words).expect(3).json();
    assert!(findings(&stopped).contains("wal: \"no WAL arrived for"), "{stopped:#}");
    assert!(stopped["lag_bytes"].as_u64().unwrap() > 0 && stopped["lag_seconds"].as_i64().unwrap() >= 3);
    Command::new("kill").args(["-CONT", &process]).status().unwrap();
    pitr.status(0);

    assert_eq!(pitr.diagnosed(), "ok");

    // The supervisor starts a killed one again.
    Command::new("kill").args(["-KILL", &process]).status().unwrap();
    pitr.run(&["status"]).expect(0);

    pitr.end_receiver("-TERM");
    let ended = pitr.run(&["status", "--wait", "1", "--json"]).expect(3).json();
    assert!(findings(&ended).contains("receiver: \"no receiver is connected"), "{ended:#}");
    assert_eq!(pitr.diagnosed(), "critical");
    let now = ["maintain", "run", "--now", "pitr-check", "--json"];
    let mut job = pitr.fixture.command(&now);
    let job = job.env("RYLIE_PITR_FOLDER", "pitr").output().unwrap();
    assert!(String::from_utf8_lossy(&job.stdout).contains("no receiver is connected"), "{job:?}");
    pitr.start_receiver();
    let job = pitr.fixture.command(&now).env("RYLIE_PITR_FOLDER", "pitr").output().unwrap();
    assert!(job.status.success(), "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_receiver_and_a_restarted_server_lose_nothing() {
    let Some(mut pitr) = Pitr::with_base().await else { return };
    pitr.commit(1).await;
    pitr.end_receiver("-KILL");
    pitr.commit(2).await;
    pitr.sql("SELECT pg_switch_wal()").await;
    pitr.commit(3).await;
    pitr.start_receiver();
    let mut second = pitr.command(&["receive"]);
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(4), "{second:?}");
    pitr.commit(4).await;
    pitr.run(&["check"]).expect(0);

    pitr.cluster.crash().await.unwrap();
    let down = pitr.status(3);
    assert!(findings(&down).contains("server: \"the server does not answer"), "{down:#}");
    assert!(down["window_end"].is_string() && down["lag_seconds"].is_null());
    let alone = pitr.fixture.folder.path("alone");
    pitr.run(&["restore", "--latest", "--into", alone.to_str().unwrap()]).expect(0);
    pitr.cluster.start_again().await.unwrap();
    pitr.commit(5).await;
    pitr.run(&["check", "--wait", "60"]).expect(0);

    pitr.status(0);
    assert_eq!(pitr.probe_after(&["--latest"]).await, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_is_refused() {
    let Some(mut pitr) = Pitr::with_base().await else { return };
    let other = Cluster::private().await.unwrap().empty_database().await.unwrap();
    let ours = std::mem::replace(&mut pitr.url, other.url());

    pitr.run(&["init"]).expect(4).line_says("another database cluster");
    pitr.run(&["base"]).expect(4).line_says("another database cluster");
    assert!(findings(&pitr.status(3)).contains("cluster: \"the server is another database cluster"));
    pitr.run(&["check"]).expect(3).line_says("another database cluster");
    pitr.end_receiver("-TERM");
    pitr.run(&["receive"]).expect(4).line_says("another database cluster");

    pitr.url = ours;
    pitr.start_receiver();
    pitr.status(0);
}
