//! `rylie pitr --via pgbackrest`, with a program that answers as pgBackRest does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rylie_testkit::Cluster;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::{Folder, Outcome};

const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/none";

const INFO: &str = r#"[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"00000001000000000000000B","min":"000000010000000000000001"}],"backup":[{"database":{"id":1,"repo-key":1},"error":false,"label":"20261126-010000F","timestamp":{"start":1764118800,"stop":1764118860},"type":"full"}],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7712584064178346937,"version":"15"}],"name":"platform","status":{"code":0,"message":"ok"}}]"#;

/// A folder with a program that logs its arguments, and knows the stanza of this database cluster.
fn folder(version: &str, cluster: &str) -> Folder {
    let folder = Folder::new();
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in version) echo 'pgBackRest {version}'; exit;; esac\necho \"$*\" >>\"$CALLS\"\n\
         case \"$*\" in *info) cat \"$INFO\";; *check) echo 'ERROR: [082]: WAL segment was not archived' >&2; exit 82;; esac\n"
    );
    folder.write("pgbackrest", &script);
    folder.write("info.json", &INFO.replace("7712584064178346937", cluster));
    fs::set_permissions(folder.path("pgbackrest"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn run(folder: &Folder, url: &str, words: &[&str]) -> Outcome {
    let path = format!("{}:{}", folder.path("").display(), std::env::var("PATH").unwrap());
    let mut command = folder.command([&["pitr"], words].concat());
    command.env("PATH", path).env("CALLS", folder.path("calls")).env("INFO", folder.path("info.json"));
    command.env("RYLIE_PITR_STANZA", "platform").env("DATABASE_URL", url);
    Outcome::of(command.output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_are_those_of_pgbackrest() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let sql = "SELECT system_identifier::text FROM pg_control_system()";
    let cluster: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    let folder = folder("2.55.1", &cluster);

    let status = run(&folder, &url, &["status", "--json"]).expect(3).json();
    assert_eq!(status["problems"], json!(["archiver: archive_mode is off, so no WAL arrives"]));
    assert_eq!(status["last_wal"], "00000001000000000000000B");
    assert_eq!(status["window_start"], "2025-11-26T01:01:00Z");
    run(&folder, &url, &["init"]).expect(0);
    run(&folder, &url, &["base", "--incremental"]).expect(0);
    run(&folder, &url, &["check"]).expect(3).line_says("WAL segment was not archived");
    let restore = |time: &str, more: &[&str]| {
        let new = folder.path("new").display().to_string();
        run(&folder, &url, &[&["restore", "--to-time", time, "--into", &new], more].concat())
    };
    restore("2025-11-26T02:00:00Z", &["--base", "20261126-010000F", "--timeline", "7"]).expect(0);
    restore("2025-11-26T02:00:00Z", &["--run"]).expect(2);
    restore("2020-11-26T02:00:00Z", &[]).expect(4);
    restore("2999-11-26T02:00:00Z", &[]).expect(4);
    run(&folder, &url, &["drill"]).expect(2).line_says("add --certificate FILE");
    folder.write("full", "");
    run(&folder, &url, &["restore", "--latest", "--into", "."]).expect(4);

    let calls = fs::read_to_string(folder.path("calls")).unwrap();
    let wanted = format!(
        "--stanza=platform --type=time --target=2025-11-26 02:00:00.000000+00 --target-action=promote --pg1-path={} \
         --set=20261126-010000F --target-timeline=7 restore",
        folder.path("new").display()
    );
    assert!(calls.lines().any(|call| call == wanted), "{calls}");
    assert!(calls.contains("--stanza=platform stanza-create") && calls.contains("--type=incr --start-fast backup"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stanza_of_another_cluster_is_refused_and_a_server_that_is_gone_is_named() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let folder = folder("2.55.1", "7712584064178346937");

    for words in [["init"], ["base"], ["check"]] {
        run(&folder, &database.url(), &words).expect(4).line_says("the stanza is that of the database cluster 77125");
    }
    run(&folder, &database.url(), &["status"]).expect(3).line_says("cluster: the stanza is that of");
    run(&folder, NOWHERE, &["status"]).expect(3).line_says("server: ");
    assert!(!fs::read_to_string(folder.path("calls")).unwrap().contains("backup"));
}

#[test]
fn an_old_pgbackrest_is_refused_and_a_missing_one_is_named() {
    let old = folder("2.45", "1");
    run(&old, NOWHERE, &["status"]).expect(4).line_says("pgBackRest 2.45 is older than 2.55");

    let mut without = old.command(["pitr", "status"]);
    without.env("PATH", "/nowhere").env("RYLIE_PITR_STANZA", "platform").env("DATABASE_URL", NOWHERE);
    Outcome::of(without.output().unwrap()).expect(1).line_says("it is not installed");
    run(&old, NOWHERE, &["status", "--via", "native"]).expect(2).line_says("pitr_folder");
}
