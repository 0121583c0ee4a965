//! `rylie size`, and the maintenance of the engine

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::Folder;

#[test]
fn sizes_are_printed_and_given_as_a_document() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    let text = folder.run(["size"]).expect(0).out;
    for part in ["database  ", "table_name", "total_size", "table_size", "index_size", "User", " kB"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let document = folder.run(["size", "--json", "--keep"]).expect(0).json();
    assert!(document["database_bytes"].as_i64().unwrap() > 0);
    let user = document["tables"].as_array().unwrap().iter().find(|table| table["name"] == "User").unwrap();
    assert_eq!(user["rows"], 1);
    for part in ["total", "table", "index"] {
        assert!(user[part].is_i64(), "{user}");
    }
    assert_eq!(document["growth"]["history"].as_array().unwrap().len(), 1);
    assert!(!document["tenants"].as_array().unwrap().is_empty());
    assert_eq!(folder.run(["size", "--json", "--no-tenants"]).expect(0).json()["tenants"], Value::Null);
}

#[test]
fn an_empty_file_has_no_sizes() {
    let folder = Folder::new();
    folder.write("rylie.db", "");
    for arguments in [&["size"][..], &["size", "--json", "--keep"], &["size", "--alert-above", "1kB"]] {
        folder.run(arguments).expect(1).says("there is no table in this database; run `rylie migrate deploy`");
    }
}

#[test]
fn each_look_above_the_threshold_is_a_finding_and_a_crossing_is_reported_once() {
    let folder = Folder::migrated();
    let above = |size: &str| folder.run(["size", "--alert-above", size, "--json"]);
    assert_eq!(above("10GB").expect(0).json()["alert"]["above"], false);
    let crossed = above("1kB").expect(3);
    assert_eq!(crossed.json()["alert"]["event"], "crossed");
    crossed.line_says("more than the threshold of 1024 bytes");
    let again = above("1kB").expect(3).json();
    assert_eq!((&again["alert"]["above"], &again["alert"]["event"]), (&json!(true), &Value::Null));
    assert_eq!(above("10GB").expect(0).json()["alert"]["event"], "recovered");
    above("1kB").expect(3);
}

/// Accepts one request and answers it.
fn webhook(status: u16) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks/canary", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut part) = (Vec::new(), [0; 4096]);
        while !request.ends_with(b"}") {
            let read = stream.read(&mut part).unwrap();
            assert_ne!(read, 0, "the request ended early");
            request.extend_from_slice(&part[..read]);
        }
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        String::from_utf8(request).unwrap()
    });
    (url, served)
}

#[test]
fn a_webhook_is_notified_and_its_address_is_not() {
    let folder = Folder::migrated();
    let (url, served) = webhook(200);
    let outcome = folder.run(["size", "--alert-above", "1kB", "--notify", &url, "--json"]).expect(3);
    assert!(served.join().unwrap().contains("\"event\":\"crossed\""));
    assert_eq!(outcome.json()["alert"]["undelivered"], json!([]));
    assert!(!format!("{outcome:?}").contains("canary"));
}

#[test]
fn an_alert_that_nobody_got_is_a_failure_that_shows() {
    let folder = Folder::migrated();
    let (url, served) = webhook(503);
    let outcome = folder.run(["size", "--alert-above", "1kB", "--notify", &url, "--json"]).expect(3);
    served.join().unwrap();
    assert!(outcome.json()["alert"]["undelivered"][0]["error"].as_str().unwrap().contains("status 503"));
    folder.run(["size", "--alert-above", "1kB", "--notify", &url]).expect(3);
    let outcome_of_status = folder.run(["maintain", "status", "--json"]).expect(3);
    outcome_of_status.line_says("is not delivered");
    let status = outcome_of_status.json();
    assert_eq!(status["undelivered"].as_array().unwrap().len(), 1);
    assert!(!format!("{outcome:?} {status}").contains("canary"));
}

#[test]
fn what_is_no_size_or_target_is_bad_usage() {
    let folder = Folder::migrated();
    folder.run(["size", "--alert-above", "much"]).expect(2);
    folder.run(["size", "--notify", "mailto:a@example.com"]).expect(2);
    for target in ["canary", "mailto:a@example.com"] {
        let outcome = folder.run(["size", "--alert-above", "1kB", "--notify", target]).expect(2);
        assert!(!outcome.err.contains("canary"), "{outcome:?}");
    }
}

#[test]
fn the_engine_is_cared_for_by_hand() {
    let folder = Folder::migrated();
    let run = |job: &str| folder.run(["maintain", job, "--all", "--json"]).expect(0).json();
    assert_eq!(run("vacuum")["vacuumed"], json!(["main"]));
    assert!(run("analyze")["analyzed"].is_array());
    assert_eq!(run("reindex")["reindexed"], json!(["main"]));
    assert_eq!(folder.run(["maintain", "reindex", "--json"]).expect(0).json()["reindexed"], json!([]));
}
