//! `rylie audit verify-export`: a tenant's export is complete.

use rylie_db::audit::{SigningKey, TenantHead};
use serde_json::Value;

use crate::audit::sqlite;
use crate::support::Folder;

/// Exports an agency whose records were sealed twice, and deletes its database.
fn exported() -> Folder {
    let folder = Folder::migrated();
    folder.run(["audit", "keygen"]).expect(0);
    for name in ["North", "South"] {
        folder.write("seed.json", &format!(r#"{{"agencies": [{{"name": "{name}", "domain": "{name}.example", "users": [{{"email": "ann@{name}.example"}}]}}]}}"#));
        folder.run(["seed", "--file", "seed.json"]).expect(0);
        let insert = |id: &str| {
            format!(
                "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details, \"tenantId\") \
                 SELECT '{id}-{name}', 'ann', 'REPORT_SENT', 'Request', '{{\"pages\": 1.50}}', id FROM \"Agency\" WHERE name = 'North'"
            )
        };
        sqlite(&folder, &[&insert("a"), &insert("b")]);
        folder.run(["audit", "seal", "--checkpoints", "outside"]).expect(0);
    }
    let records = folder.run(["audit", "list", "--action", "AGENCY_CREATED", "--json"]).expect(0).json();
    let id = records["records"].as_array().unwrap().last().unwrap()["resource_id"].as_str().unwrap().to_owned();
    folder.run(["tenant", "export", &id, "--out", "tenant.jsonl"]).expect(0);
    std::fs::remove_file(folder.path("rylie.db")).unwrap();
    folder
}

fn lines(folder: &Folder) -> Vec<String> {
    std::fs::read_to_string(folder.path("tenant.jsonl")).unwrap().lines().map(str::to_owned).collect()
}

/// Writes the file with other lines, and with matching counts and digest, as any process with write access could.
fn forged(folder: &Folder, mut lines: Vec<String>) {
    let trailer: Value = serde_json::from_str(&lines.pop().unwrap()).unwrap();
    let mut rows = trailer["end"]["rows"].clone();
    let log = lines.iter().filter(|line| line.starts_with(r#"{"table":"AuditLog""#)).count();
    rows["AuditLog"] = log.into();
    let mut header: Value = serde_json::from_str(&lines[0]).unwrap();
    header["rows"] = rows.clone();
    lines[0] = header.to_string();
    let mut text = lines.join("\n") + "\n";
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let sha256: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    text += &serde_json::json!({ "end": { "rows": rows, "sha256": sha256.concat() } }).to_string();
    text.push('\n');
    folder.write("forged.jsonl", &text);
}

#[test]
fn an_export_verifies_without_the_database() {
    let folder = exported();

    let checked =
        folder.run(["audit", "verify-export", "tenant.jsonl", "--checkpoint", "outside", "--json"]).expect(0).json();

    assert_eq!((&checked["ok"], &checked["batch"]), (&true.into(), &2.into()));
    assert!(checked["records"].as_u64().unwrap() >= 4);
    forged(&folder, lines(&folder));
    folder.run(["audit", "verify-export", "forged.jsonl"]).expect(0);
}

#[test]
fn records_that_lack_a_personal_part_are_counted() {
    let folder = Folder::migrated();
    folder.run(["audit", "keygen"]).expect(0);
    folder.write("seed.json", r#"{"agencies": [{"name": "North", "domain": "north.example"}]}"#);
    folder.run(["seed", "--file", "seed.json"]).expect(0);
    let insert = |id: &str, user: &str| {
        format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, details, \"tenantId\") \
             SELECT '{id}', '{user}', 'REPORT_SENT', 'Request', '{{}}', id FROM \"Agency\""
        )
    };
    sqlite(&folder, &[&insert("a", "ann"), &insert("b", "ann"), &insert("c", "bob")]);
    folder.run(["audit", "seal"]).expect(0);
    let agency = folder.run(["audit", "list", "--action", "AGENCY_CREATED", "--json"]).expect(0).json();
    let agency = agency["records"][0]["resource_id"].as_str().unwrap().to_owned();
    let checked = |file: &str| {
        folder.run(["tenant", "export", &agency, "--out", file]).expect(0);
        let json = folder.run(["audit", "verify-export", file, "--json"]).expect(0).json();
        (json["emptied"].as_u64().unwrap(), folder.run(["audit", "verify-export", file]).expect(0).out)
    };

    let (emptied, text) = checked("before.jsonl");
    assert!(emptied == 0 && !text.contains("lack a personal part"), "{text}");
    folder.run(["audit", "erase", "ann", "--force"]).expect(0);
    let (emptied, text) = checked("after.jsonl");
    assert!(emptied == 2 && text.contains("2 of them lack a personal part"), "{emptied}: {text}");
}

#[test]
fn a_record_that_is_missing_or_changed_is_noticed() {
    let folder = exported();
    let all = lines(&folder);
    let is_record = |line: &String| line.starts_with(r#"{"table":"AuditLog""#);
    let is_leaf = |line: &String| line.starts_with(r#"{"audit":{"leaf""#);
    let (record, leaf) = (all.iter().position(is_record).unwrap(), all.iter().position(is_leaf).unwrap());
    let without = |dropped: &[usize]| {
        all.iter().enumerate().filter(|(at, _)| !dropped.contains(at)).map(|(_, line)| line.clone()).collect::<Vec<_>>()
    };
    let id: Value = serde_json::from_str(&all[leaf]).unwrap();
    let id = id["audit"]["leaf"]["record"].as_str().unwrap().to_owned();
    let same = all.iter().position(|line| is_record(line) && line.contains(&id)).unwrap();
    let starts = |text: &str| all.iter().rposition(|line| line.starts_with(text)).unwrap();
    let (latest, head) = (starts(r#"{"audit":{"latest""#), starts(r#"{"audit":{"head""#));
    let batch = starts(r#"{"audit":{"batch""#);
    let changed = |from: &str, to: &str| all.iter().map(|line| line.replace(from, to)).collect::<Vec<_>>();
    let mut twice = all.clone();
    twice.insert(same, all[same].replace("REPORT_SENT", "DELETED"));
    let mut twice_after = all.clone();
    twice_after.insert(same + 1, all[same].replace("REPORT_SENT", "DELETED"));
    for (what, forgery) in [
        ("a second row under a sealed id", twice),
        ("a second row behind it", twice_after),
        ("a record", without(&[record])),
        ("a leaf", without(&[leaf])),
        ("a record with its leaf", without(&[leaf, same])),
        (
            "a batch",
            all.iter()
                .filter(|line| !line.starts_with(r#"{"audit""#) || line.starts_with(r#"{"audit":{"latest""#))
                .cloned()
                .collect(),
        ),
        ("the head", all.iter().filter(|line| !line.starts_with(r#"{"audit":{"head""#)).cloned().collect()),
        (
            "the latest checkpoint",
            all.iter().filter(|line| !line.starts_with(r#"{"audit":{"latest""#)).cloned().collect(),
        ),
        ("a batch after the latest checkpoint", moved(&all, latest, batch)),
        ("a leaf before the first batch", moved(&all, leaf, 0)),
        ("a leaf after the latest checkpoint", moved(&all, leaf, latest)),
        ("a second latest checkpoint", repeated(&all, latest)),
        ("a second head", repeated(&all, head)),
        ("an action", changed("REPORT_SENT", "REPORT_LOST")),
        ("a time", changed(r#""createdAt":"20"#, r#""createdAt":"19"#)),
    ] {
        forged(&folder, forgery);
        let outcome = folder.run(["audit", "verify-export", "forged.jsonl", "--json"]);
        assert_eq!(outcome.expect(3).json()["ok"], false, "{what}");
    }
}

/// Returns the lines with one of them moved.
fn moved(lines: &[String], from: usize, to: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    let line = lines.remove(from);
    lines.insert(to.max(1), line);
    lines
}

/// Returns the lines with one of them repeated.
fn repeated(lines: &[String], at: usize) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.insert(at, lines[at].clone());
    lines
}

/// Returns the lines without the last batch, its leaves and their records, as if it had never existed.
fn without_the_last_batch(lines: &[String], head_too: bool) -> Vec<String> {
    let seal = |line: &String| serde_json::from_str::<Value>(line).unwrap()["audit"].clone();
    let last = lines.iter().rposition(|line| seal(line)["batch"].is_object()).unwrap();
    let leaves: Vec<Value> = lines[last + 1..].iter().map(|line| seal(line)["leaf"]["record"].clone()).collect();
    let gone = |at: usize, line: &String| {
        let (id, seal) = (serde_json::from_str::<Value>(line).unwrap()["row"]["id"].clone(), seal(line));
        at == last
            || at > last && seal["leaf"].is_object()
            || !id.is_null() && leaves.contains(&id)
            || head_too && !seal["head"].is_null()
    };
    lines.iter().enumerate().filter(|(at, line)| !gone(*at, line)).map(|(_, line)| line.clone()).collect()
}

#[test]
fn an_export_that_was_shortened_by_its_last_batch_is_noticed() {
    let folder = exported();

    forged(&folder, without_the_last_batch(&lines(&folder), false));
    folder.run(["audit", "verify-export", "forged.jsonl"]).expect(3);
    folder.run(["audit", "verify-export", "forged.jsonl", "--unsigned"]).expect(3);

    forged(&folder, without_the_last_batch(&lines(&folder), true));
    folder.run(["audit", "verify-export", "forged.jsonl"]).expect(3);
    let shortened = folder.run(["audit", "verify-export", "forged.jsonl", "--unsigned", "--json"]).expect(0).json();
    assert_eq!((&shortened["batch"], &shortened["made_at"]), (&2.into(), &Value::Null));
}

#[test]
fn a_head_that_a_stranger_signed_is_not_believed() {
    let folder = exported();
    let outside = std::fs::read_to_string(folder.path("outside")).unwrap();
    let key = outside.lines().find_map(|line| line.strip_prefix("key ")).unwrap().to_owned();
    folder.run(["audit", "verify-export", "tenant.jsonl", "--public-key", &key]).expect(0);
    let mut all = lines(&folder);
    let head = all.iter().position(|line| line.starts_with(r#"{"audit":{"head""#)).unwrap();
    let stranger = SigningKey::create(&folder.path("stranger.key")).unwrap();
    let text: Value = serde_json::from_str(&all[head]).unwrap();
    let (mut claimed, _) = TenantHead::parse(text["audit"]["head"].as_str().unwrap()).unwrap();
    claimed.time += std::time::Duration::from_secs(1);
    all[head] = serde_json::json!({ "audit": { "head": claimed.sign(&stranger) } }).to_string();
    forged(&folder, all);

    folder.run(["audit", "verify-export", "forged.jsonl", "--public-key", &key]).expect(3);
    folder.run(["audit", "verify-export", "forged.jsonl", "--checkpoint", "outside"]).expect(3);
    // A verifier without pinned keys accepts only a head by a key that signed the file's checkpoints.
    folder.run(["audit", "verify-export", "forged.jsonl"]).expect(3);
}

#[test]
fn an_export_sealed_by_a_stranger_is_not_believed() {
    let folder = exported();
    let other = folder.run(["audit", "keygen", "--out", "other.key", "--json"]).expect(0).json();

    folder
        .run(["audit", "verify-export", "tenant.jsonl", "--public-key", other["public_key"].as_str().unwrap()])
        .expect(3);
    folder.run(["audit", "verify-export", "missing.jsonl"]).expect(1);
}

/// The digest of the file needs no key, so it does not protect a null.
#[test]
fn a_value_of_another_type_never_counts_as_null() {
    let folder = exported();
    let all = lines(&folder);
    let is_sealed = |line: &String| line.starts_with(r#"{"table":"AuditLog""#) && line.contains("REPORT_SENT");
    let at = all.iter().position(is_sealed).unwrap();
    let changed = |name: &str, value: Value| {
        let line: Value = serde_json::from_str(&all[at]).unwrap();
        let (old, new) = (format!("\"{name}\":{}", line["row"][name]), format!("\"{name}\":{value}"));
        assert!(all[at].contains(&old), "{old}: {}", all[at]);
        let mut lines = all.clone();
        lines[at] = all[at].replace(&old, &new);
        forged(&folder, lines);
        folder.run(["audit", "verify-export", "forged.jsonl", "--checkpoint", "outside"]).code.unwrap()
    };
    assert_eq!(changed("onBehalfOf", Value::Null), 0);
    for value in [serde_json::json!({"id": "bob"}), serde_json::json!(["bob"]), true.into(), 7.into()] {
        for name in ["resourceId", "onBehalfOf", "ipAddress", "userAgent", "correlationId"] {
            assert_eq!(changed(name, value.clone()), 3, "{name} {value}");
        }
    }
    for value in ["5".into(), serde_json::json!({"x": 1}), serde_json::json!(1.5)] {
        assert_eq!(changed("position", value), 3);
    }
}
