//! `rylie backup create --encrypt`: without the key there is nothing to read, and no plain file.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use rylie_testkit::Cluster;
use serde_json::{Value, json};

use crate::backup::{Fixture, largest_file, on_both, status};
use crate::backup_defects::edit_manifest;
use crate::backup_s3::fill;
use crate::support::Outcome;

/// A file of an identity; its recipient.
fn identity(fixture: &Fixture, file: &str) -> String {
    let identity = Identity::generate();
    fixture.folder.write(file, &format!("# of a test\n{}\n", identity.to_string().expose_secret()));
    identity.to_public().to_string()
}

fn create(fixture: &Fixture, to: &str) -> Value {
    fixture.run(&["backup", "create", "--encrypt", to, "--json"]).expect(0).json()
}

fn verify(fixture: &Fixture, made: &Value, words: &[&str]) -> Outcome {
    fixture.run(&[&["backup", "verify", made["id"].as_str().unwrap(), "--json"], words].concat())
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

async fn an_encrypted_backup_shows_no_row_no_tenant_and_no_digest(fixture: Fixture) {
    let recipient = identity(&fixture, "identity.txt");
    for to in ["keyring", recipient.as_str()] {
        let made = create(&fixture, to);
        // Roles have the platform's name.
        let tenants = made["tenants"].as_object().unwrap().keys().filter(|tenant| *tenant != "platform");
        let tenants: Vec<&String> = tenants.collect();
        assert!(tenants.len() >= 2, "{made:#}");
        let plain: Vec<String> = files(&fixture.path(&made["id"], ""))
            .into_iter()
            .filter(|path| path.extension().is_none_or(|extension| extension != "age"))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert!(plain.iter().all(|name| name.starts_with("manifest.")), "{plain:?}");
        for path in files(&fixture.path(&made["id"], "")) {
            let bytes = std::fs::read(&path).unwrap();
            for tenant in &tenants {
                assert!(!contains(&bytes, tenant), "{tenant} in {}", path.display());
            }
            assert!(!contains(&bytes, "CREATE TABLE") && !contains(&bytes, "SQLite format"), "{}", path.display());
        }
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(fixture.path(&made["id"], "manifest.json")).unwrap()).unwrap();
        assert_eq!((&manifest["contents"], &manifest["format"]), (&Value::Null, &json!(2)));
        assert_eq!(manifest["rows"]["Agency"], 2, "numbers of rows stay readable");
    }
}

async fn an_encrypted_backup_is_proven_and_restored_with_its_key(fixture: Fixture) {
    let recipient = identity(&fixture, "identity.txt");
    let with_identity = ["--identity", "identity.txt"];
    for (to, words) in [("keyring", &[][..]), (recipient.as_str(), &with_identity[..])] {
        let made = create(&fixture, to);

        let drilled = verify(&fixture, &made, words).expect(0).json();

        assert_eq!(
            (&drilled["verified"], &drilled["encryption"]["recipient"]),
            (&json!(true), &made["encryption"]["recipient"])
        );
        for check in ["rows", "tenants", "contents", "secrets", "audit"] {
            assert_eq!(status(&drilled, check).0, "ok", "{check}: {drilled:#}");
        }
        let database;
        let target = if fixture.world.is_postgres() {
            database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
            database.url()
        } else {
            format!("sqlite://{}", fixture.folder.path(&format!("restored-{}.db", words.len())).display())
        };
        let restore = ["backup", "restore", made["id"].as_str().unwrap(), "--to", &target];
        fixture.run(&[&restore[..], words].concat()).expect(0);
        fixture.run(&["drift", "--database-url", &target]).expect(0);
    }
    let left = files(fixture.folder.path("").as_path());
    let left: Vec<_> = left.iter().filter(|path| path.to_string_lossy().contains("rylie-scratch")).collect();
    assert!(left.is_empty(), "{left:?}");
}

async fn a_wrong_or_missing_key_is_named(fixture: Fixture) {
    let recipient = identity(&fixture, "identity.txt");
    identity(&fixture, "other.txt");
    let made = create(&fixture, &recipient);
    let failed = |outcome: Outcome, words: &str| {
        let drilled = outcome.expect(3).json();
        let (status, detail) = status(&drilled, "encryption");
        assert!(status == "failed" && detail.contains(words), "{drilled:#}");
    };
    failed(verify(&fixture, &made, &[]), "name the file of the identity");
    failed(verify(&fixture, &made, &["--identity", "other.txt"]), "the key does not open it");
    verify(&fixture, &made, &["--identity", "none.txt"]).expect(1);
    fixture.folder.write("empty.txt", "# nothing\n");
    verify(&fixture, &made, &["--identity", "empty.txt"]).expect(2);
    fixture.run(&["backup", "create", "--encrypt", "age1nothing"]).expect(2).line_says("recipient");

    let ours = create(&fixture, "keyring");
    let key = ours["encryption"]["key"].as_str().unwrap();
    edit_manifest(&fixture, &ours["id"], |manifest| manifest["keys"] = json!([]));
    fixture.run(&["keys", "generate", "--out", "other.json"]).expect(0);
    let words = ["backup", "verify", ours["id"].as_str().unwrap(), "--json"];
    failed(Outcome::of(fixture.command(&words).env("RYLIE_KEYRING", "other.json").output().unwrap()), key);
    failed(Outcome::of(fixture.command(&words).env_remove("RYLIE_KEYRING").output().unwrap()), "no keyring");
}

async fn the_key_that_wraps_a_backup_is_not_destroyed(fixture: Fixture) {
    let made = create(&fixture, "keyring");
    let key = made["encryption"]["key"].as_str().unwrap();
    fixture.run(&["keys", "rotate"]).expect(0);
    fixture.run(&["keys", "reencrypt"]).expect(0);
    edit_manifest(&fixture, &made["id"], |manifest| manifest["keys"] = json!([]));

    fixture.run(&["keys", "destroy", key]).expect(4).line_says(made["id"].as_str().unwrap());
    verify(&fixture, &made, &["--unsigned"]).expect(0);
}

/// Whoever can write the backup can also adjust its checksums: the encryption itself must notice.
async fn a_cut_swapped_or_spliced_stream_is_named(fixture: Fixture) {
    const PIECE: usize = 65_552;
    fill(&fixture, 1).await;
    let recipient = identity(&fixture, "identity.txt");
    let made = create(&fixture, &recipient);
    let path = largest_file(&fixture, &made["id"]);
    let whole = std::fs::read(&path).unwrap();
    assert!(whole.len() > 4 * PIECE, "some pieces at least: {}", whole.len());
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    // The head ends with the line of its code, and sixteen bytes follow.
    let code = whole.windows(5).position(|window| window == b"\n--- ").unwrap() + 1;
    let head = code + whole[code..].iter().position(|byte| *byte == b'\n').unwrap() + 17;
    let swapped = [
        &whole[..head],
        &whole[head + PIECE..head + 2 * PIECE],
        &whole[head..head + PIECE],
        &whole[head + 2 * PIECE..],
    ];
    let twice = [&whole[..head + PIECE], &whole[head..]];
    let at_a_piece = &whole[..head + 2 * PIECE];
    for (what, bytes) in [
        ("cut", whole[..whole.len() - 100].to_vec()),
        ("cut at a piece", at_a_piece.to_vec()),
        ("swapped", swapped.concat()),
        ("spliced", twice.concat()),
        ("extended", [&whole[..], b"more"].concat()),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        edit_manifest(&fixture, &made["id"], |manifest| {
            let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
            let sha256: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            manifest["files"][&name] = json!({ "bytes": bytes.len(), "sha256": sha256.concat() });
        });

        let drilled = verify(&fixture, &made, &["--identity", "identity.txt"]).expect(3).json();

        let (status, detail) = status(&drilled, "restore");
        assert!(status == "failed" && detail.contains("truncated or was changed"), "{what}: {drilled:#}");
    }
}

async fn the_setting_encrypts_and_the_scheduler_proves(fixture: Fixture) {
    for job in ["backup", "backup-verify"] {
        let mut command = fixture.command(&["maintain", "run", "--now", job, "--json"]);
        let done = Outcome::of(command.env("RYLIE_BACKUP_ENCRYPT", "keyring").output().unwrap()).expect(0).json();
        assert_eq!(done["runs"][0]["outcome"], "done", "{done:#}");
    }

    let listed = fixture.listed();
    assert_eq!((&listed[0]["encrypted"], &listed[0]["verified"]), (&json!(true), &json!(true)));
}

/// As `age --decrypt` does, whose format it is.
async fn stock_tools_restore_an_encrypted_backup(fixture: Fixture) {
    let recipient = identity(&fixture, "identity.txt");
    let made = create(&fixture, &recipient);
    let text = std::fs::read_to_string(fixture.folder.path("identity.txt")).unwrap();
    let identity: Identity = text.lines().nth(1).unwrap().parse().unwrap();
    let file = std::fs::File::open(largest_file(&fixture, &made["id"])).unwrap();
    let decryptor = age::Decryptor::new(file).unwrap();
    let mut plain = Vec::new();
    decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).unwrap().read_to_end(&mut plain).unwrap();
    let database;
    let url = if fixture.world.is_postgres() {
        database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
        let programs = Cluster::shared().await.unwrap().programs().unwrap();
        let mut restore = Command::new(programs.join("pg_restore"));
        restore.args(["--exit-on-error", "--dbname", &database.url()]).stdin(Stdio::piped());
        let mut child = restore.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &plain).unwrap();
        assert!(child.wait().unwrap().success());
        database.url()
    } else {
        std::fs::write(fixture.folder.path("plain.db"), &plain).unwrap();
        format!("sqlite://{}", fixture.folder.path("plain.db").display())
    };

    fixture.run(&["drift", "--database-url", &url]).expect(0);
}

on_both! {
    an_encrypted_backup_shows_no_row_no_tenant_and_no_digest,
    an_encrypted_backup_is_proven_and_restored_with_its_key,
    a_wrong_or_missing_key_is_named,
    the_key_that_wraps_a_backup_is_not_destroyed,
    a_cut_swapped_or_spliced_stream_is_named,
    the_setting_encrypts_and_the_scheduler_proves,
    stock_tools_restore_an_encrypted_backup,
}
