//! `rylie pitr --via pgbackrest`, with a program that answers as pgBackRest does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::{Folder, Outcome};

const INFO: &str = r#"[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"00000001000000000000000B","min":"000000010000000000000001"}],"backup":[{"database":{"id":1,"repo-key":1},"error":false,"label":"20261126-010000F","timestamp":{"start":1764118800,"stop":1764118860},"type":"full"}],"cipher":"none","db":[{"id":1,"repo-key":1,"system-id":7712584064178346937,"version":"15"}],"name":"platform","status":{"code":0,"message":"ok"}}]"#;

/// A folder with a program that logs its arguments.
fn folder(version: &str) -> Folder {
    let folder = Folder::new();
    let script = format!(
        "#!/bin/sh\ncase \"$1\" in version) echo 'pgBackRest {version}'; exit;; esac\necho \"$*\" >>\"$CALLS\"\n\
         case \"$*\" in *info) cat \"$INFO\";; *check) echo 'ERROR: [082]: WAL segment was not archived' >&2; exit 82;; esac\n"
    );
    folder.write("pgbackrest", &script);
    folder.write("info.json", INFO);
    fs::set_permissions(folder.path("pgbackrest"), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn run(folder: &Folder, words: &[&str]) -> Outcome {
    let path = format!("{}:{}", folder.path("").display(), std::env::var("PATH").unwrap());
    let mut command = folder.command([&["pitr"], words].concat());
    command.env("PATH", path).env("CALLS", folder.path("calls")).env("INFO", folder.path("info.json"));
    command.env("RYLIE_PITR_STANZA", "platform").env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    Outcome::of(command.output().unwrap())
}

#[test]
fn the_steps_are_those_of_pgbackrest() {
    let folder = folder("2.55.1");

    let status = run(&folder, &["status", "--json"]).expect(0).json();
    assert_eq!(status["last_wal"], "00000001000000000000000B");
    assert_eq!(status["window_start"], "2025-11-26T01:01:00Z");
    run(&folder, &["init"]).expect(0);
    run(&folder, &["base", "--incremental"]).expect(0);
    run(&folder, &["check"]).expect(3).line_says("WAL segment was not archived");
    run(&folder, &["restore", "--to-time", "2025-11-26T02:00:00Z", "--into", "new"]).expect(0);
    run(&folder, &["restore", "--to-time", "2020-11-26T02:00:00Z", "--into", "new"]).expect(4);
    run(&folder, &["restore", "--to-time", "2999-11-26T02:00:00Z", "--into", "new"]).expect(4);
    run(&folder, &["drill"]).expect(2).line_says("add --certificate FILE");
    folder.write("full", "");
    run(&folder, &["restore", "--latest", "--into", "."]).expect(4);

    let calls = fs::read_to_string(folder.path("calls")).unwrap();
    let wanted = "--stanza=platform --type=time --target=2025-11-26 02:00:00.000000+00 --pg1-path=new \
                  --target-action=promote restore";
    assert!(calls.lines().any(|call| call == wanted), "{calls}");
    assert!(calls.contains("--stanza=platform stanza-create") && calls.contains("--type=incr --start-fast backup"));
}

#[test]
fn an_old_pgbackrest_is_refused_and_a_missing_one_is_named() {
    let old = folder("2.45");
    run(&old, &["status"]).expect(4).line_says("pgBackRest 2.45 is older than 2.55");

    let mut without = old.command(["pitr", "status"]);
    without
        .env("PATH", "/nowhere")
        .env("RYLIE_PITR_STANZA", "platform")
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");
    Outcome::of(without.output().unwrap()).expect(1).line_says("it is not installed");
    run(&old, &["status", "--via", "native"]).expect(2).line_says("pitr_folder");
}
