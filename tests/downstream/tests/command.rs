//! The service's own command knows its tables, on both engines.

use std::path::Path;
use std::process::{Command, Output};

use downstream::{Keywords, NewKeyword, keyword, schema};
use rylie_db::own::*;
use rylie_testkit::World;
use tempfile::TempDir;

struct Shell<'w> {
    world: &'w World,
    folder: TempDir,
}

impl Shell<'_> {
    fn output(&self, command: &str) -> Output {
        let mut process = Command::new(env!("CARGO_BIN_EXE_downstream-rylie"));
        process.args(command.split_whitespace()).current_dir(self.folder.path());
        process.env("DATABASE_URL", self.world.url()).env("RYLIE_KEYRING", self.world.keyring()).output().unwrap()
    }

    /// Runs a command that must succeed, and returns its output.
    fn run(&self, command: &str) -> String {
        let output = self.output(command);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{command}: {out}\n{err}");
        out
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SEED: &str = r#"{"agencies": [{"name": "North", "domain": "north.example", "users": [{"email": "ann@north.example"}],
    "tables": {"Label": [{"id": "label-red", "name": "red"}]}}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_command_knows_the_own_tables() {
    for world in [World::sqlite_with(schema()).await.unwrap(), World::postgres_with(schema()).await.unwrap()] {
        let agency = world.agency().await.unwrap();
        let request = agency.request().await.unwrap().id;
        let unit = agency.unit().await.unwrap();
        let new = NewKeyword {
            request,
            parent: None,
            intent: keyword::Intent::Buy,
            text: "shoes".to_owned(),
            note: Some("cheap".into()),
        };
        unit.keywords().add(new).await.unwrap();
        unit.commit().await.unwrap();
        let shell = Shell { world: &world, folder: TempDir::new().unwrap() };

        assert!(shell.run("migrate status --json").contains("own_m20261201_000004_create_ranking"));
        assert!(shell.run("drift --json").contains("\"differences\":[]"));
        assert!(shell.run("keys report --json").contains("Keyword.note"));
        assert!(shell.run("size --json").contains("KeywordLabel"));
        shell.run("migrate squash --out schema.sql");
        let squashed = std::fs::read_to_string(shell.folder.path().join("schema.sql")).unwrap();
        assert!(squashed.contains("CREATE TABLE IF NOT EXISTS \"Keyword\""));
        seeds(&shell);
        moves_a_tenant(&shell, agency.agency.id.as_str());

        shell.run("environment mark development");
        assert!(shell.run("migrate down --json").contains("own_m20261201_000004_create_ranking"));
        assert_eq!(shell.output("migrate status").status.code(), Some(3));
        assert!(shell.run("migrate deploy --json").contains("own_m20261201_000004_create_ranking"));
    }
}

fn seeds(shell: &Shell<'_>) {
    std::fs::write(shell.folder.path().join("seed.json"), SEED).unwrap();
    assert!(shell.run("seed --file seed.json --json").contains("\"updated\":0"));
    assert!(shell.run("seed --file seed.json --json").contains("\"created\":0,\"updated\":0"));
    std::fs::write(shell.folder.path().join("seed.json"), SEED.replace("\"red\"", "\"green\"")).unwrap();
    assert!(shell.run("seed --file seed.json --json").contains("\"created\":0,\"updated\":1"));
    std::fs::write(shell.folder.path().join("seed.json"), SEED.replace("\"Label\"", "\"Task\"")).unwrap();
    assert_eq!(shell.output("seed --file seed.json").status.code(), Some(1));
}

fn moves_a_tenant(shell: &Shell<'_>, id: &str) {
    shell.run("environment mark development");
    let exported = shell.run(&format!("tenant export {id} --out tenant.jsonl --json"));
    assert!(exported.contains("\"Keyword\":1"), "{exported}");
    assert!(Path::new(&shell.folder.path().join("tenant.jsonl")).exists());
    let erased = shell.run(&format!("tenant erase {id} --yes --json"));
    assert!(erased.contains("\"Keyword\":1"), "{erased}");
    assert!(shell.run("tenant import tenant.jsonl --json").contains("\"Keyword\":1"));
}
