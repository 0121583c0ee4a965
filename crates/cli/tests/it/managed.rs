//! Runs every command as the owner that a managed service provides: it may create roles and owns database and tables,
//! but is no superuser.

use rylie_db::migration::{Engine, MIGRATIONS};
use rylie_testkit::{Cluster, PostgresDatabase};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Folder, Outcome};

struct Owned {
    folder: Folder,
    database: PostgresDatabase,
    url: String,
    // A private server, so that its roles do not exist before the test.
    _cluster: Cluster,
}

impl Owned {
    async fn new() -> Self {
        let cluster = Cluster::private().await.unwrap();
        let database = cluster.empty_database().await.unwrap();
        let url = database.managed_owner().await.unwrap();
        Self { folder: Folder::new(), database, url, _cluster: cluster }
    }

    async fn of_prisma() -> Self {
        let owned = Self::new().await;
        let mut connection = PgConnection::connect(&owned.url).await.unwrap();
        for step in MIGRATIONS[0].up(Engine::Postgres) {
            sqlx::raw_sql(AssertSqlSafe(step.statement().to_owned())).execute(&mut connection).await.unwrap();
        }
        owned
    }

    #[track_caller]
    fn run(&self, command: &str, code: i32) -> Outcome {
        let mut process = self.folder.command(command.split(' ').chain(["--database-url", &self.url]));
        for (name, file) in [("RYLIE_KEYRING", "ring.json"), ("RYLIE_AUDIT_KEY", "audit.key")] {
            process.env(name, self.folder.path(file));
        }
        let outcome = Outcome::of(process.output().unwrap());
        assert_eq!(outcome.code, Some(code), "{command}: {outcome:#?}");
        outcome
    }

    async fn a_tenant_leaves_and_comes_back(&self) {
        let mut connection = PgConnection::connect(&self.database.url()).await.unwrap();
        let add = "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'North', now())";
        sqlx::raw_sql(add).execute(&mut connection).await.unwrap();
        self.run("tenant export a1 --out tenant.jsonl", 0);
        self.run("tenant erase a1 --yes", 0);
        self.run("tenant import tenant.jsonl", 0);
    }

    /// Runs the commands that work before and after the adoption.
    fn every_day(&self) {
        self.folder.write("password.txt", "x\n");
        for command in [
            "migrate status",
            "migrate plan",
            "migrate deploy",
            "drift",
            "keys generate",
            "seed",
            "keys list",
            "keys report",
            "keys rotate",
            "environment show",
            "audit list",
            "audit keygen",
            "audit seal --checkpoints outside",
            "audit verify --checkpoint outside",
            "maintain sessions",
            "maintain usage",
            "maintain purge",
            "maintain analyze",
            "maintain vacuum",
            "maintain reindex",
            "maintain status",
            "size",
            "roles provision --app service --app-password-file password.txt",
            "roles provision --app web --no-platform --app-password-file password.txt",
            "roles show",
        ] {
            self.run(command, 0);
        }
        // The owner of the tables may also seal: only that is reported.
        let checks = self.run("roles check --json", 3).json();
        let wrong: Vec<_> = checks["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|check| check["status"] != "ok" && check["id"] != "roles.elsewhere")
            .collect();
        let ids: Vec<_> = wrong.iter().map(|check| check["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["roles.service", "roles.sealer"], "{wrong:?}");
        for login in ["service", "web"] {
            let url = self.database.url_as(login);
            self.folder.run(["roles", "check", "--database-url", &url]).expect(0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_on_a_database_that_she_deployed() {
    let owned = Owned::new().await;

    owned.run("migrate deploy", 0);
    owned.run("migrate reset --force", 0);
    owned.every_day();
    owned.run("keys reencrypt", 0);
    owned.a_tenant_leaves_and_comes_back().await;
    owned.run("environment mark staging", 0);
    owned.run("migrate down", 0);
    owned.run("migrate deploy", 0);
    owned.run("drift", 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_on_a_database_that_she_adopted() {
    let owned = Owned::of_prisma().await;

    owned.run("adopt --dry-run", 0);
    owned.run("adopt", 0);
    owned.every_day();
    owned.run("adopt --finish --without-backup", 0);
    owned.run("drift", 0);
    owned.run("seed", 0);
    owned.run("keys reencrypt", 0);
    owned.run("maintain sessions", 0);
}
