//! The service's own command knows its tables, on both engines.

use std::path::PathBuf;
use std::process::{Command, Output};

use downstream::keyword::{Intent, KeywordId};
use downstream::{Keywords, NewKeyword, schema};
use rylie_db::prelude::StoreExt;
use rylie_testkit::{TestAgency, World};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A working directory of the command.
struct Shell {
    world: World,
    folder: TempDir,
}

impl Shell {
    fn on(world: World) -> Self {
        let shell = Self { world, folder: TempDir::new().unwrap() };
        shell.run("environment mark development");
        shell
    }

    fn output(&self, command: &str) -> Output {
        let mut process = Command::new(env!("CARGO_BIN_EXE_downstream-rylie"));
        process.args(command.split_whitespace()).current_dir(self.folder.path());
        process.env("DATABASE_URL", self.world.url()).env("RYLIE_KEYRING", self.world.keyring()).output().unwrap()
    }

    /// Runs a command that must exit with this code, and returns its output.
    fn exits(&self, code: i32, command: &str) -> String {
        let output = self.output(command);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{command}: {out}\n{err}");
        out
    }

    fn run(&self, command: &str) -> String {
        self.exits(0, command)
    }

    fn json(&self, command: &str) -> Value {
        let out = self.run(&format!("{command} --json"));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{command}: {error}: {out}"))
    }

    fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(file);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap()
    }
}

async fn shells() -> [Shell; 2] {
    [World::sqlite_with(schema()).await.unwrap(), World::postgres_with(schema()).await.unwrap()].map(Shell::on)
}

/// Adds an agency with a keyword that has a sealed note.
async fn filled(world: &World) -> (TestAgency<'_>, KeywordId) {
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    let (text, note) = ("shoes".to_owned(), Some("cheap".into()));
    let keyword = unit.keywords().add(NewKeyword { request, parent: None, intent: Intent::Buy, text, note });
    let keyword = keyword.await.unwrap();
    unit.keywords().label(&keyword.id, "new").await.unwrap();
    unit.commit().await.unwrap();
    (agency, keyword.id)
}

const NEWEST: &str = "own_m20261201_000005_add_season_to_label";

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_listed_planned_deployed_reverted_and_squashed() {
    for shell in shells().await {
        assert!(shell.run("migrate status --json").contains(NEWEST));
        assert_eq!(shell.json("drift")["differences"], json!([]));
        assert_eq!(shell.json("migrate plan")["statements"], json!([]));

        assert_eq!(shell.json("migrate down --steps 2")["reverted"][0], NEWEST);
        shell.exits(3, "migrate status");
        let plan = shell.json("migrate plan")["statements"].to_string();
        assert!(plan.contains("CREATE TABLE IF NOT EXISTS \\\"Ranking\\\"") && plan.contains("season"), "{plan}");
        assert_eq!(shell.json("migrate deploy")["applied"], json!(["own_m20261201_000004_create_ranking", NEWEST]));
        assert_eq!(shell.json("drift")["differences"], json!([]));

        shell.run("migrate squash --out schema.sql");
        let squashed = shell.read("schema.sql");
        assert!(squashed.contains("CREATE TABLE IF NOT EXISTS \"Keyword\"") && squashed.contains("season"));
        let applied = shell.json("migrate reset --force")["applied"].to_string();
        assert!(applied.contains(NEWEST), "{applied}");
        assert_eq!(shell.json("drift")["differences"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_own_rows_is_exported_erased_imported_and_backed_up() {
    for shell in shells().await {
        let tenant = filled(&shell.world).await.0.agency.id.to_string();
        filled(&shell.world).await;
        let rows = json!({ "Keyword": 1, "Label": 1, "KeywordLabel": 1 });
        let same = |found: &Value| {
            for table in ["Keyword", "Label", "KeywordLabel"] {
                assert_eq!(found[table], rows[table], "{table}: {found}");
            }
        };
        same(&shell.json(&format!("tenant export {tenant} --out tenant.jsonl"))["rows"]);
        assert!(shell.read("tenant.jsonl").contains("shoes"));
        shell.run("audit keygen");
        let backup = shell.json("backup create --verify --out backups");
        assert_eq!((&backup["rows"]["Keyword"], &backup["verified"]), (&json!(2), &json!(true)), "{backup}");
        same(&backup["tenants"][&tenant]);
        same(&shell.json(&format!("tenant erase {tenant} --yes"))["rows"]);
        same(&shell.json("tenant import tenant.jsonl")["rows"]);

        let report = shell.json("keys report")["columns"]["Keyword.note"].clone();
        assert_eq!(report["unreadable"], json!(0), "{report}");
        let size = shell.json("size");
        let tables = size["tables"].as_array().unwrap();
        assert!(tables.iter().any(|table| table["name"] == "KeywordLabel"), "{size}");
        assert_eq!(shell.json("drift")["differences"], json!([]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_and_the_sealed_note_still_opens() {
    for shell in shells().await {
        let (agency, keyword) = filled(&shell.world).await;
        let new = shell.json("keys rotate")["key"].as_str().unwrap().to_owned();
        let done = shell.json("keys reencrypt");
        assert_eq!(done["unreadable"], json!([]), "{done}");
        let report = shell.json("keys report")["columns"]["Keyword.note"].clone();
        assert_eq!(report[&new], json!(1), "{report}");
        let again = shell.world.connect_again(1).await.unwrap();
        let unit = again.store().tenant(&agency.scope()).await.unwrap();
        assert_eq!(unit.keywords().note(&keyword).await.unwrap(), Some("cheap".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soft_deleted_rows_are_purged_and_the_doctor_is_content() {
    for shell in shells().await {
        let (_, keyword) = filled(&shell.world).await;
        let platform = shell.world.platform().await.unwrap();
        platform.keywords().remove(&keyword).await.unwrap();
        platform.commit().await.unwrap();

        let would = shell.run("maintain purge --older-than 30d --dry-run");
        assert!(would.contains("0 requests, 0 tasks and 1 row of Keyword"), "{would}");
        assert_eq!(shell.json("maintain purge --older-than 30d")["own"], json!(1));
        assert_eq!(shell.json("maintain purge --older-than 30d")["deleted"], json!(0));
        let nothing = shell.run("maintain purge --older-than 30d");
        assert!(nothing.contains("0 requests, 0 tasks and 0 rows of Keyword"), "{nothing}");
        let document = shell.json("doctor --only isolation tables");
        let checks = document["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["status"] == "critical" || check["status"] == "warning");
        assert_eq!(found, None);
    }
}

const SEED: &str = r#"{"agencies": [{"name": "North", "domain": "north.example", "users": [{"email": "ann@north.example"}],
    "tables": {"Label": [{"id": "label-red", "name": "red"}]}}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_file_adds_own_rows_once() {
    for shell in shells().await {
        let seed = |text: &str| {
            shell.write("seed.json", text);
            shell.json("seed --file seed.json")
        };
        assert_eq!(seed(SEED)["updated"], json!(0));
        assert_eq!(seed(SEED), json!({ "created": 0, "updated": 0 }));
        assert_eq!(seed(&SEED.replace("\"red\"", "\"green\"")), json!({ "created": 0, "updated": 1 }));
        shell.write("seed.json", &SEED.replace("\"Label\"", "\"Task\""));
        shell.exits(1, "seed --file seed.json");
    }
}

#[test]
fn the_next_migration_is_a_file_of_the_service() {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir_all(folder.path().join("src/migrations")).unwrap();
    let new = |name: &str| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_downstream-rylie"));
        let output = process.args(["migrate", "new", name, "--json"]).current_dir(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let file = document["file"].as_str().unwrap().to_owned();
        let text = std::fs::read_to_string(folder.path().join(&file)).unwrap();
        (file, text, document)
    };

    let (file, text, document) = new("create_market");
    assert!(file.starts_with("src/migrations/own_m") && file.ends_with("_000006_create_market.rs"), "{file}");
    assert!(text.contains("pub(crate) const CREATE_MARKET: CreateTable"), "{text}");
    assert!(text.contains("NewTable::new(\"Market\")"), "{text}");
    let added = document["add"].to_string();
    assert!(added.contains("src/migrations.rs") && added.contains("CREATE_MARKET"), "{added}");
    // The number follows that of a file which is not listed yet.
    let (file, text, _) = new("add_colour_to_label");
    assert!(file.ends_with("_000007_add_colour_to_label.rs"), "{file}");
    assert!(text.contains("AlterTable") && text.contains("TableChange::of(\"Label\")"), "{text}");
    let (file, text, _) = new("fill_colours");
    assert!(file.ends_with("_000008_fill_colours.rs"), "{file}");
    assert!(text.contains("impl Migration for FillColours"), "{text}");
}
