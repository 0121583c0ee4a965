//! Values that node's crypto wrote for the old service are counted, re-encrypted and freed from the old service's key.

use rylie_db::prelude::{Config, Database, Grant, PlatformUnit, Secret, StoreExt};
use serde_json::{Value, json};

use crate::adopt::Prisma;
use crate::support::{Folder, Outcome};

/// Written by node, each plain text in both old ciphers.
const NODE: &str = include_str!("../../../crypto/tests/vectors/node.json");
const RING: &str = "keyring.json";

struct Adopted {
    prisma: Prisma,
    folder: Folder,
    encryption_key: String,
    plains: Vec<String>,
}

impl Adopted {
    /// Creates a user for each value: its access token as CBC, its refresh token as GCM, its Search Console token in
    /// plain text.
    async fn new() -> Self {
        let node: Value = serde_json::from_str(NODE).unwrap();
        let prisma = Prisma::new().await;
        let mut plains = Vec::new();
        for (number, value) in node["values"].as_array().unwrap().iter().enumerate() {
            let text = |name: &str| value[name].as_str().unwrap().to_owned();
            let (plain, cbc, gcm) = (text("plain"), text("cbc"), text("gcm"));
            let quoted = plain.replace('\'', "''");
            prisma
                .execute(&format!(
                    r#"INSERT INTO "User" ("id", "email", "apiKey", "updatedAt") VALUES ('n{number}', 'n{number}@example.com', 'rylie_live_{number}', now());
                    INSERT INTO "GA4Connection" ("id", "userId", "accessToken", "refreshToken", "updatedAt") VALUES ('g{number}', 'n{number}', '{cbc}', '{gcm}', now());
                    INSERT INTO "SearchConsoleConnection" ("id", "userId", "accessToken", "refreshToken", "updatedAt") VALUES ('s{number}', 'n{number}', '{quoted}', NULL, now());
                    INSERT INTO "Account" ("id", "userId", "type", "provider", "providerAccountId", "access_token") VALUES ('a{number}', 'n{number}', 'oauth', 'google', '{number}', '{quoted}')"#
                ))
                .await;
            plains.push(plain);
        }
        prisma.adopt(&["--quiet"]).expect(3);
        let folder = Folder::new();
        folder.run(["keys", "generate", "--out", RING]).expect(0);
        Self { prisma, folder, encryption_key: node["key"].as_str().unwrap().to_owned(), plains }
    }

    fn run_with(&self, encryption_key: Option<&str>, arguments: &[&str]) -> Outcome {
        let mut command = self.folder.command(arguments);
        command.env("DATABASE_URL", self.prisma.url()).env("RYLIE_KEYRING", RING);
        if let Some(key) = encryption_key {
            command.env("ENCRYPTION_KEY", key);
        }
        Outcome::of(command.output().unwrap())
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        self.run_with(Some(&self.encryption_key), arguments)
    }

    fn columns(&self) -> Value {
        self.run(&["keys", "report", "--json"]).expect(0).json()["columns"].take()
    }

    async fn unit(&self, encryption_key: Option<&str>) -> Box<dyn PlatformUnit> {
        let mut config = Config::builder().set("database_url", self.prisma.url()).unwrap();
        config = config.set("keyring", self.folder.path(RING).display()).unwrap();
        if let Some(key) = encryption_key {
            config = config.set("encryption_key", key).unwrap();
        }
        let database = Database::connect(config.build().unwrap()).await.unwrap();
        database.store().platform(Grant::job("test", "opens everything").unwrap()).await.unwrap()
    }

    async fn assert_everything_opens(&self, encryption_key: Option<&str>) {
        let unit = self.unit(encryption_key).await;
        for (number, plain) in self.plains.iter().enumerate() {
            let user = || format!("n{number}").parse().unwrap();
            let google = unit.ga4_connections().open_tokens(&user()).await.unwrap().unwrap();
            assert_eq!((google.access.expose(), google.refresh.unwrap().expose()), (plain, plain), "{number}");
            let console = unit.search_console_connections().open_tokens(&user()).await.unwrap().unwrap();
            assert_eq!(console.access.expose(), plain, "{number}");
            let account = unit.accounts().list_of(&user()).await.unwrap().remove(0).id;
            let opened = unit.accounts().open_access_token(&account).await.unwrap().unwrap();
            assert_eq!(opened, Secret::from(plain.as_str()), "{number}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_value_that_node_wrote_is_moved_over_and_the_old_services_key_can_go() {
    let adopted = Adopted::new().await;
    let all = json!(adopted.plains.len());
    let columns = adopted.columns();
    assert_eq!(columns["GA4Connection.accessToken"]["legacy-cbc"], all, "{columns:#}");
    assert_eq!(columns["GA4Connection.refreshToken"]["legacy-gcm"], all);
    assert_eq!(columns["SearchConsoleConnection.accessToken"]["plain"], all);
    assert_eq!(columns["Account.access_token"]["plain"], all);
    assert_eq!(columns["User.apiKey"]["plain"], all);
    adopted.assert_everything_opens(Some(&adopted.encryption_key)).await;

    // During coexistence: every value in the form that the old service reads.
    let moved = adopted.run(&["keys", "reencrypt", "--batch", "3"]).expect(0);
    let forms = format!(": {} as legacy-gcm, which the old service reads", 2 * adopted.plains.len());
    assert!(moved.out.contains(&forms) && !moved.out.contains("under key"), "{moved:#?}");
    let columns = adopted.columns();
    assert_eq!(columns["GA4Connection.accessToken"]["legacy-gcm"], all, "{columns:#}");
    assert_eq!(columns["SearchConsoleConnection.accessToken"]["legacy-gcm"], all);
    assert_eq!(columns["Account.access_token"]["plain"], all);
    adopted.assert_everything_opens(Some(&adopted.encryption_key)).await;

    // After the adoption: every value sealed.
    let superuser = adopted.prisma.superuser_url();
    adopted.run(&["migrate", "deploy", "--database-url", &superuser]).expect(0);
    adopted.run(&["adopt", "--finish", "--without-backup"]).expect(0);
    let wrong = adopted.run_with(None, &["keys", "reencrypt"]).expect(3);
    assert!(wrong.err.contains("set ENCRYPTION_KEY to the old service's key"), "{wrong:#?}");
    let moved = adopted.run(&["keys", "reencrypt", "--json"]).expect(0).json();
    let columns = adopted.columns();
    let kid = adopted.run(&["keys", "list", "--json"]).json()["keys"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(moved["written"][&kid], moved["reencrypted"], "{moved:#}");
    for column in
        ["GA4Connection.accessToken", "SearchConsoleConnection.accessToken", "User.apiKey", "User.apiKeyIndex"]
    {
        assert_eq!(columns[column][&kid], all, "{columns:#}");
    }
    adopted.run_with(None, &["keys", "report"]).expect(0);
    adopted.assert_everything_opens(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_with_a_wrong_key_of_the_old_service() {
    let adopted = Adopted::new().await;
    let wrong = "another-key-of-at-least-thirty-two-characters";

    let report = adopted.run_with(Some(wrong), &["keys", "report", "--json"]).expect(3);
    let unreadable = report.json()["columns"]["GA4Connection.refreshToken"]["unreadable"].take();
    assert_eq!(unreadable, json!(adopted.plains.len()));
    let refused = adopted.run_with(Some(wrong), &["keys", "reencrypt"]).expect(1);
    assert!(refused.err.contains("it opens nothing that the old service wrote"), "{refused:#?}");
    assert!(report.err.contains("set ENCRYPTION_KEY to the old service's key"), "{report:#?}");
    assert!(refused.err.contains("set ENCRYPTION_KEY"), "{refused:#?}");
    let missing = adopted.run_with(None, &["keys", "reencrypt"]).expect(1);
    assert!(missing.err.contains("set ENCRYPTION_KEY to the old service's"), "{missing:#?}");
    let short = adopted.run_with(Some("too short"), &["keys", "report", "-v"]).expect(1);
    assert!(short.err.contains("at least 32 characters"), "{short:#?}");

    let columns = adopted.columns();
    assert_eq!(columns["SearchConsoleConnection.accessToken"]["plain"], json!(adopted.plains.len()));
    assert_eq!(columns["GA4Connection.accessToken"]["legacy-cbc"], json!(adopted.plains.len()));
    assert_eq!(columns["GA4Connection.refreshToken"]["legacy-gcm"], json!(adopted.plains.len()));
}
