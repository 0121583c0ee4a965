//! The commands on PostgreSQL.

use rylie_testkit::{Cluster, PostgresDatabase};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::{Folder, Outcome};

async fn empty() -> PostgresDatabase {
    Cluster::shared().await.unwrap().empty_database().await.unwrap()
}

#[tokio::test]
async fn deploying_seeding_and_maintaining_work_as_on_sqlite() {
    let (folder, database) = (Folder::new(), empty().await);
    let url = database.url();
    let run = |words: &str| {
        let words: Vec<&str> = words.split(' ').chain(["--json", "--database-url", &url]).collect();
        folder.run(words)
    };

    run("migrate status").expect(3);
    run("seed").expect(1);
    assert_ne!(run("migrate deploy").expect(0).json(), json!({ "applied": [] }));
    assert_eq!(run("migrate deploy").expect(0).json(), json!({ "applied": [] }));
    run("migrate status").expect(0);
    assert_ne!(run("seed").expect(0).json()["created"], 0);
    assert_eq!(run("seed").expect(0).json(), json!({ "created": 0, "updated": 0 }));
    assert_eq!(run("maintain sessions").expect(0).json()["deleted"], 0);
    assert_eq!(run("maintain usage").expect(0).json()["archived"], 0);
    run("environment mark production").expect(0);
    run("migrate down").expect(4);
    run("migrate reset --force").expect(4);
}

#[tokio::test]
async fn a_reset_by_force_makes_a_seeded_database_anew() {
    let (folder, database) = (Folder::new(), empty().await);
    let url = database.url();
    folder.run(["migrate", "deploy", "--database-url", &url]).expect(0);
    folder.run(["seed", "--database-url", &url]).expect(0);

    folder.run(["migrate", "reset", "--force", "--database-url", &url]).expect(0);

    assert_ne!(folder.run(["seed", "--json", "--database-url", &url]).expect(0).json()["created"], 0);
}

#[tokio::test]
async fn a_deploy_says_which_policy_it_restored() {
    let (folder, database) = (Folder::new(), empty().await);
    let url = database.url();
    let deploy = || folder.run(["migrate", "deploy", "--database-url", &url]).expect(0).out;
    deploy();
    assert!(deploy().contains("nothing to do: every migration is applied"));
    let mut raw = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("DROP POLICY rylie_tenant ON \"Task\"").execute(&mut raw).await.unwrap();

    let restored = deploy();
    assert!(!restored.contains("nothing to do"), "{restored}");
    assert!(restored.contains("restored row-level security") && restored.contains("Task"), "{restored}");
    assert!(deploy().contains("nothing to do: every migration is applied"));
}

#[tokio::test]
async fn eight_deploys_at_once_apply_each_migration_once() {
    let (folder, database) = (Folder::new(), empty().await);
    let url = database.url();

    let running: Vec<_> =
        (0..8).map(|_| folder.start(["migrate", "deploy", "--json", "--database-url", &url])).collect();
    let outcomes = running.into_iter().map(|child| Outcome::of(child.wait_with_output().unwrap()).expect(0));
    let applied: usize = outcomes.map(|outcome| outcome.json()["applied"].as_array().unwrap().len()).sum();

    let status = folder.run(["migrate", "status", "--json", "--database-url", &url]).expect(0).json();
    assert_eq!(applied, status["migrations"].as_array().unwrap().len());
}

#[tokio::test]
async fn a_wrong_login_is_reported_without_the_password() {
    let database = empty().await;
    let url = database.url_as("nobody_of_this_name").replacen("nobody_of_this_name:", "nobody_of_this_name:canary", 1);
    assert!(url.contains(":canary"), "the URL has a password");
    for command in [["migrate", "status"], ["maintain", "usage"]] {
        let mut words = command.to_vec();
        words.extend(["--database-url", &url]);
        let outcome = Folder::new().run(words).expect(1);
        outcome.says("connecting to");
        assert!(!outcome.err.contains("canary"), "{outcome:?}");
    }
}
