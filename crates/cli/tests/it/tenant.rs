//! `rylie tenant`

use serde_json::{Value, json};
use sqlx::{Connection, Row, SqliteConnection};

use crate::support::Folder;

/// Creates a seeded folder; returns it with the id of its one agency.
async fn seeded() -> (Folder, String) {
    let folder = Folder::migrated();
    folder.write(
        "seed.json",
        r#"{"agencies": [{"name": "North", "domain": "north.example", "users": [{"email": "ann@north.example", "package": "GOLD"}]}]}"#,
    );
    folder.run(["seed", "--file", "seed.json"]).expect(0);
    let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
    let row = sqlx::query(r#"SELECT "id" FROM "Agency""#).fetch_one(&mut connection).await.unwrap();
    let id = row.get(0);
    (folder, id)
}

fn export(folder: &Folder, id: &str, code: i32) -> Option<Value> {
    let outcome = folder.run(["tenant", "export", id, "--out", "north.jsonl", "--json"]).expect(code);
    (code == 0).then(|| outcome.json())
}

#[tokio::test]
async fn a_tenant_goes_out_away_and_in_again() {
    let (folder, id) = seeded().await;

    let out = export(&folder, &id, 0).unwrap();
    let away = folder.run(["tenant", "erase", &id, "--yes", "--json"]).expect(0).json();
    folder.run(["tenant", "erase", &id, "--yes"]).expect(1).says("no such tenant");
    let again = folder.run(["tenant", "import", "north.jsonl", "--json"]).expect(0).json();
    let over = folder.run(["tenant", "import", "north.jsonl"]).expect(1);

    for report in [&out, &away, &again] {
        assert_eq!(
            (&report["tenant"], &report["rows"]["User"], &report["rows"]["Agency"]),
            (&json!(id), &json!(1), &json!(1))
        );
    }
    assert_eq!(away["rows"], again["rows"]);
    over.says("another Agency has this tenantId");
}

#[tokio::test]
async fn a_file_that_is_there_is_not_written_over() {
    let (folder, id) = seeded().await;
    folder.write("north.jsonl", "mine");

    folder.run(["tenant", "export", &id, "--out", "north.jsonl"]).expect(4).says("north.jsonl exists");

    assert_eq!(std::fs::read_to_string(folder.path("north.jsonl")).unwrap(), "mine");
}

#[tokio::test]
async fn without_a_terminal_a_tenant_is_erased_only_with_a_flag() {
    let (folder, id) = seeded().await;

    folder.run(["tenant", "erase", &id]).expect(4).says("add --yes");
    export(&folder, &id, 0);
    folder.run(["tenant", "erase", &id, "--force"]).expect(0);
    folder.run(["tenant", "erase", &id, "--yes"]).expect(1).says("no such tenant");
}

#[tokio::test]
async fn in_production_a_tenant_is_not_erased() {
    let (folder, id) = seeded().await;
    folder.run(["environment", "mark", "production"]).expect(0);

    folder.run(["tenant", "erase", &id, "--yes"]).expect(4).says("marked as production");

    export(&folder, &id, 0);
}

#[tokio::test]
async fn a_file_that_makes_a_super_admin_is_refused() {
    let (folder, id) = seeded().await;
    export(&folder, &id, 0);
    folder.run(["tenant", "erase", &id, "--yes"]).expect(0);
    let text = std::fs::read_to_string(folder.path("north.jsonl")).unwrap();
    let (rows, end) = text.trim_end().rsplit_once('\n').unwrap();
    let forged = rows.replace(r#""role":"USER""#, r#""role":"SUPER_ADMIN""#) + "\n";
    assert!(forged.contains("SUPER_ADMIN"));
    let digest = ring::digest::digest(&ring::digest::SHA256, forged.as_bytes());
    let sha256: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut end: Value = serde_json::from_str(end).unwrap();
    end["end"]["sha256"] = sha256.concat().into();
    folder.write("north.jsonl", &format!("{forged}{end}\n"));

    folder.run(["tenant", "import", "north.jsonl"]).expect(4).says("a super admin");
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_reported_by_its_line() {
    let (folder, id) = seeded().await;
    export(&folder, &id, 0);
    folder.run(["tenant", "erase", &id, "--yes"]).expect(0);
    let text = std::fs::read_to_string(folder.path("north.jsonl")).unwrap();
    let lines: Vec<_> = text.lines().collect();
    folder.write("north.jsonl", &(lines[..2].join("\n") + "\n"));

    folder.run(["tenant", "import", "north.jsonl"]).expect(1).says("invalid at line 3");
}

#[test]
fn what_is_no_tenant_is_bad_usage() {
    let folder = Folder::migrated();
    for id in ["", "user:"] {
        folder.run(["tenant", "erase", id]).expect(2).says("not a tenant");
    }
    folder.run(["tenant", "export", "nobody", "--out", "file"]).expect(1).says("no such tenant");
    folder.run(["tenant", "import", "missing.jsonl"]).expect(1).says("missing.jsonl");
}

/// Writes the exported file again with a changed row, and a trailer that fits.
fn rewrite(folder: &Folder, change: impl Fn(&str, &mut serde_json::Map<String, Value>)) {
    let text = std::fs::read_to_string(folder.path("north.jsonl")).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut end = lines.pop().unwrap();
    for line in lines.iter_mut().filter(|line| line["row"].is_object()) {
        let table = line["table"].as_str().unwrap().to_owned();
        change(&table, line["row"].as_object_mut().unwrap());
    }
    let body: Vec<_> = lines.iter().map(|line| format!("{line}\n")).collect();
    let body = body.concat();
    end["end"]["sha256"] = json!(hex(ring::digest::digest(&ring::digest::SHA256, body.as_bytes()).as_ref()));
    end["end"].as_object_mut().unwrap().remove("seal");
    folder.write("changed.jsonl", &format!("{body}{end}\n"));
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

#[tokio::test]
async fn a_column_that_does_not_fit_is_named_and_its_value_is_not() {
    let (folder, id) = seeded().await;
    export(&folder, &id, 0).unwrap();
    folder.run(["tenant", "erase", &id, "--yes"]).expect(0);

    for (change, column, reason) in [
        ("unknown", "canaryColumn", "this database has no such column"),
        ("missing", "email", "the row lacks it"),
        ("mistyped", "createdAt", "its value does not fit the column's type"),
    ] {
        rewrite(&folder, |table, row| {
            if table != "User" {
                return;
            }
            if change == "missing" {
                row.remove(column);
            } else {
                row.insert(column.to_owned(), json!("canary-value"));
            }
        });
        let refused = folder.run(["tenant", "import", "changed.jsonl", "-v"]).expect(1);
        assert!(refused.err.contains(&format!("column {column} of table User")), "{refused:#?}");
        assert!(refused.err.contains(reason) && !refused.err.contains("canary-value"), "{refused:#?}");
        let refused = folder.run(["tenant", "import", "changed.jsonl"]).expect(1);
        assert!(refused.err.contains(&format!("column {column} of table User")), "{refused:#?}");
    }
    folder.run(["tenant", "import", "north.jsonl"]).expect(0);
}
