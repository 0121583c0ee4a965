//! Stores checkpoints in object storage, on a small server that implements the needed part of S3.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::{Folder, Outcome};

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Objects by name, in a bucket `trail`.
struct Storage {
    objects: Objects,
    /// Whether listings are empty.
    blind: Arc<AtomicBool>,
    endpoint: String,
}

impl Storage {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let objects = Objects::default();
        let blind = Arc::new(AtomicBool::new(false));
        let served = (Arc::clone(&objects), Arc::clone(&blind));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (objects, blind) = served.clone();
                std::thread::spawn(move || serve(stream.unwrap(), &objects, &blind));
            }
        });
        Self { objects, blind, endpoint }
    }

    fn seal(&self, folder: &Folder) -> Outcome {
        self.run(folder, &["audit", "seal", "--checkpoints", "s3://trail/of/rylie"])
    }

    fn run(&self, folder: &Folder, arguments: &[&str]) -> Outcome {
        let mut command = folder.command(arguments);
        command.env("AWS_ACCESS_KEY_ID", "somebody").env("AWS_SECRET_ACCESS_KEY", "secret").env("AWS_REGION", "here");
        command.env("AWS_ENDPOINT", &self.endpoint).env("AWS_ALLOW_HTTP", "true");
        Outcome::of(command.output().unwrap())
    }

    /// Returns the objects' texts in the order of their names.
    fn texts(&self) -> Vec<String> {
        let objects = self.objects.lock().unwrap();
        objects.values().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }
}

fn serve(stream: TcpStream, objects: &Objects, blind: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut lines, mut line) = (Vec::new(), String::new());
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            lines.push(std::mem::take(&mut line));
        }
        let Some(first) = lines.first() else { return };
        let header = |name: &str| {
            lines.iter().find_map(|line| line.to_lowercase().strip_prefix(name).map(|value| value.trim().to_owned()))
        };
        let mut body = vec![0; header("content-length:").map_or(0, |length| length.parse().unwrap())];
        reader.read_exact(&mut body).unwrap();
        let signed = header("authorization:").is_some_and(|value| value.starts_with("aws4-hmac-sha256"));
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let unless = header("if-none-match:");
        let (status, answer) = match (signed, path.strip_prefix("/trail/").filter(|name| name.starts_with("of/"))) {
            (false, _) => ("403 Forbidden", Vec::new()),
            (true, Some(name)) => object(method, name, unless.as_deref(), body, &mut objects.lock().unwrap()),
            (true, None) if blind.load(Ordering::SeqCst) => ("200 OK", listing(&BTreeMap::new())),
            (true, None) => {
                assert!(
                    method == "GET" && path.contains("list-type=2") && path.contains("prefix=of%2Frylie%2F"),
                    "{path}"
                );
                ("200 OK", listing(&objects.lock().unwrap()))
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\netag: \"e\"\r\nlast-modified: Wed, 25 Nov 2026 00:00:00 GMT\r\n\r\n",
            answer.len()
        );
        reader.get_mut().write_all(&[head.into_bytes(), answer].concat()).unwrap();
    }
}

fn object(
    method: &str,
    name: &str,
    unless: Option<&str>,
    body: Vec<u8>,
    objects: &mut BTreeMap<String, Vec<u8>>,
) -> (&'static str, Vec<u8>) {
    match (method, objects.get(name)) {
        ("PUT", Some(_)) if unless == Some("*") => ("412 Precondition Failed", Vec::new()),
        ("PUT", _) => {
            objects.insert(name.to_owned(), body);
            ("200 OK", Vec::new())
        }
        ("GET", Some(object)) => ("200 OK", object.clone()),
        _ => ("404 Not Found", Vec::new()),
    }
}

fn listing(objects: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let item = |(name, bytes): (&String, &Vec<u8>)| {
        let size = bytes.len();
        let time = "2026-11-25T00:00:00.000Z";
        format!(
            "<Contents><Key>{name}</Key><LastModified>{time}</LastModified><ETag>e</ETag><Size>{size}</Size></Contents>"
        )
    };
    let items: String = objects.iter().map(item).collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>").into_bytes()
}

fn seeded() -> Folder {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    folder.run(["audit", "keygen"]).expect(0);
    folder
}

#[test]
fn checkpoints_go_to_object_storage_the_newest_named_first_and_verify() {
    let (folder, storage) = (seeded(), Storage::start());
    for _ in 0..12 {
        storage.seal(&folder).expect(0);
    }

    let mut texts = storage.texts();
    texts.reverse();
    assert_eq!(texts.len(), 12);
    for (at, text) in texts.iter().enumerate() {
        assert!(text.contains(&format!("\nbatch {}\n", at + 1)), "{text}");
    }
    folder.write("outside", &texts.concat());
    folder.run(["audit", "verify", "--checkpoint", "outside"]).expect(0);
}

#[test]
fn what_object_storage_missed_is_made_up_for() {
    let (folder, storage) = (seeded(), Storage::start());
    folder.run(["audit", "seal"]).expect(0);
    storage.seal(&folder).expect(0);
    folder.run(["audit", "seal"]).expect(0);

    storage.seal(&folder).expect(0);

    assert_eq!(storage.texts().len(), 4);
}

#[test]
fn a_verification_compares_with_the_newest_in_object_storage() {
    let (folder, storage) = (seeded(), Storage::start());
    folder.write("rylie.toml", "audit_checkpoints = 's3://trail/of/rylie'\n");
    storage.seal(&folder).expect(0);
    folder.copy_database("copy.db");
    storage.seal(&folder).expect(0);

    let verified = storage.run(&folder, &["audit", "verify", "--json"]).expect(0).json();
    assert_eq!(verified["outside"], serde_json::json!({ "place": "s3://trail/of/rylie", "checkpoints": 1 }));
    let older = ["audit", "verify", "--json", "--database-url", "sqlite://copy.db"];
    assert_eq!(storage.run(&folder, &older).expect(3).json()["first_bad"]["what"], "rolled_back");
}

#[test]
fn a_checkpoint_that_is_there_is_never_written_over() {
    let (folder, storage) = (seeded(), Storage::start());
    storage.seal(&folder).expect(0);
    let kept = storage.texts();
    // Another database has a different first checkpoint.
    let other = seeded();

    for (blind, code, says) in [(false, 4, "belong to another database"), (true, 3, "another checkpoint of batch 1")] {
        // Simulates a concurrent creation of the object.
        storage.blind.store(blind, Ordering::SeqCst);
        storage.seal(&other).expect(code).says(says);
        assert_eq!(storage.texts(), kept);
    }
    storage.seal(&folder).expect(0);
    assert_eq!(storage.texts()[1..], kept);
}

#[test]
fn object_storage_that_does_not_let_us_in_is_named_and_no_secret_is_shown() {
    let (folder, storage) = (seeded(), Storage::start());
    let mut command = folder.command(["audit", "seal", "--checkpoints", "s3://trail/of/rylie", "-v"]);
    command.env("AWS_SKIP_SIGNATURE", "true").env("AWS_REGION", "here");
    command.env("AWS_ACCESS_KEY_ID", "somebody").env("AWS_SECRET_ACCESS_KEY", "hush-hush");
    command.env("AWS_ENDPOINT", &storage.endpoint).env("AWS_ALLOW_HTTP", "true");
    let outcome = Outcome::of(command.output().unwrap()).expect(1);

    assert!(outcome.err.contains("s3://trail/of/rylie") && !outcome.err.contains("hush-hush"), "{outcome:?}");
    for wrong in ["s3://", "s3:///of"] {
        folder.run(["audit", "seal", "--checkpoints", wrong]).expect(2).says("it names no bucket");
    }
}
