//! A private server starts, separates its databases, and cleans up.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};

use rylie_testkit::{Cluster, Error, PostgresDatabase, Template};

use crate::support::{connect, eventually, execute, number};

const ROWS: i64 = 1000;

/// Builds a template with a table of `ROWS` rows.
async fn template() -> Template {
    let fill = async |url: String| {
        execute(&url, "CREATE TABLE one AS SELECT id FROM generate_series(1, 1000) AS id").await;
        Ok::<(), std::io::Error>(())
    };
    Cluster::shared().await.unwrap().template("one", fill).await.unwrap()
}

async fn empty() -> PostgresDatabase {
    Cluster::shared().await.unwrap().empty_database().await.unwrap()
}

/// Returns whether the server at this URL has a database of that name.
async fn has_database(url: &str, name: &str) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut connect(url).await)
        .await
        .unwrap()
}

#[tokio::test]
async fn two_databases_are_isolated() {
    let (ours, theirs) = (empty().await, empty().await);

    execute(&ours.url(), "CREATE TABLE one (id int)").await;

    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(number(&ours.url(), count).await, 1);
    assert_eq!(number(&theirs.url(), count).await, 0);
}

#[tokio::test]
async fn text_is_utf8_and_sorted_by_code_point() {
    let database = Cluster::private().await.unwrap().empty_database().await.unwrap();

    let sorted: Vec<String> = sqlx::query_scalar("SELECT * FROM unnest('{ä,b,B,a}'::text[]) AS t ORDER BY t")
        .fetch_all(&mut connect(&database.url()).await)
        .await
        .unwrap();

    assert_eq!(sorted, ["B", "a", "b", "ä"]);
}

#[tokio::test]
async fn clones_have_what_the_template_has_and_share_nothing() {
    let (cluster, template) = (Cluster::shared().await.unwrap(), template().await);
    let ours = cluster.clone_of(&template).await.unwrap();
    let theirs = cluster.clone_of(&template).await.unwrap();

    execute(&ours.url(), "DELETE FROM one").await;

    assert_eq!(number(&ours.url(), "SELECT count(*) FROM one").await, 0);
    assert_eq!(number(&theirs.url(), "SELECT count(*) FROM one").await, ROWS);
}

#[tokio::test]
async fn many_can_clone_at_once() {
    let (cluster, template) = (Cluster::shared().await.unwrap(), template().await);

    let clones = join_all((0..8).map(|_| cluster.clone_of(&template))).await;

    assert!(clones.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_template_is_filled_once() {
    let cluster = Cluster::shared().await.unwrap();
    let filled = AtomicUsize::new(0);
    let fill = async |_url: String| {
        filled.fetch_add(1, Relaxed);
        tokio::task::yield_now().await;
        Ok::<(), std::io::Error>(())
    };

    join_all((0..4).map(|_| cluster.template("filled once", fill))).await;

    assert_eq!(filled.load(Relaxed), 1);
}

#[tokio::test]
async fn a_template_can_be_cloned_though_its_maker_left_a_connection_open() {
    let cluster = Cluster::shared().await.unwrap();
    let mut left_open = None;
    let template = cluster
        .template("left open", async |url| {
            left_open = Some(connect(&url).await);
            Ok::<(), std::io::Error>(())
        })
        .await
        .unwrap();

    cluster.clone_of(&template).await.unwrap();
}

#[tokio::test]
async fn a_template_that_could_not_be_filled_can_be_tried_again() {
    let cluster = Cluster::shared().await.unwrap();
    let refused = cluster.template("second try", async |_| Err("not today")).await;
    assert!(matches!(refused, Err(Error::Template { key, .. }) if key == "second try"));

    cluster.template("second try", async |_| Ok::<(), std::io::Error>(())).await.unwrap();
}

#[tokio::test]
async fn a_dropped_database_is_gone_though_somebody_is_connected() {
    let (other, database) = (empty().await, empty().await);
    let _connection = connect(&database.url()).await;
    let name = database.name().to_owned();
    assert!(has_database(&other.url(), &name).await);

    drop(database);

    eventually("the database is gone", async || !has_database(&other.url(), &name).await).await;
}

#[tokio::test]
async fn a_removed_database_is_gone_at_once() {
    let (other, database) = (empty().await, empty().await);
    let name = database.name().to_owned();

    database.remove().await.unwrap();

    assert!(!has_database(&other.url(), &name).await);
}

#[tokio::test]
async fn another_role_can_log_in() {
    let database = Cluster::private().await.unwrap().empty_database().await.unwrap();
    execute(&database.url(), "CREATE ROLE another_role LOGIN").await;

    let user: String = sqlx::query_scalar("SELECT current_user::text")
        .fetch_one(&mut connect(&database.url_as("another_role")).await)
        .await
        .unwrap();

    assert_eq!(user, "another_role");
}

#[tokio::test]
async fn without_its_password_nobody_gets_in_from_the_network() {
    let cluster = Cluster::private().await.unwrap();
    let address = cluster.address();

    let refused = PgConnection::connect(&format!("postgres://postgres:guess@{address}/postgres")).await;

    let code = refused.unwrap_err().into_database_error().unwrap().code().unwrap().into_owned();
    assert_eq!(code, "28P01");
}

#[tokio::test]
async fn a_private_server_is_gone_with_its_last_value() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let url = database.url();

    drop(cluster);
    assert!(connect(&url).await.ping().await.is_ok(), "a database keeps its server");
    drop(database);

    eventually("the folder is gone", async || !Path::new(folder(&url)).exists()).await;
    assert!(PgConnection::connect(&url).await.is_err());
}

/// Runs this test again as a child process, which is then killed.
#[tokio::test]
async fn a_private_server_ends_with_a_process_that_is_killed() {
    const VICTIM: &str = "RYLIE_TEST_VICTIM";
    if env::var_os(VICTIM).is_some() {
        let database = empty().await;
        println!("\n{}", database.url());
        std::future::pending::<()>().await;
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "cluster::a_private_server_ends_with_a_process_that_is_killed"])
        .arg("--nocapture")
        .env(VICTIM, "1")
        .env_remove("RYLIE_TEST_DATABASE_URL")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut victim = Killed(child);
    let url = BufReader::new(victim.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find(|line| line.starts_with("postgres://"))
        .unwrap();
    connect(&url).await.close().await.unwrap();

    drop(victim);

    eventually("the folder is gone", async || !Path::new(folder(&url)).exists()).await;
    assert!(PgConnection::connect(&url).await.is_err());
}

/// A child process that is killed (SIGKILL) on drop, also if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Returns the folder of a private server's socket.
fn folder(url: &str) -> &str {
    url.split_once("?host=").unwrap().1
}
