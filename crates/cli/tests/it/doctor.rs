//! `rylie doctor`: exit codes, the page, comparison, and the commands that change something.

use rylie_testkit::{Cluster, PostgresDatabase};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

use crate::support::{Folder, Outcome};

fn check<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id}"))
}

async fn migrated() -> (Folder, PostgresDatabase) {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let folder = Folder::new();
    folder.write("rylie.toml", &format!("database_url = \"{}\"\n", database.url()));
    folder.run(["migrate", "deploy"]).expect(0);
    folder.run(["seed"]).expect(0);
    (folder, database)
}

async fn connect(database: &PostgresDatabase) -> PgConnection {
    PgConnection::connect(&database.url()).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

async fn pid(connection: &mut PgConnection) -> String {
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(connection).await.unwrap();
    pid.to_string()
}

#[test]
fn a_healthy_file_exits_with_0_and_a_fault_with_3() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    let report = folder.run(["doctor", "--only", "sqlite", "--json"]).expect(0).json();
    assert_eq!(check(&report, "sqlite.integrity")["status"], "ok");
    let path = folder.path("rylie.db");
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let outcome = folder.run(["doctor", "--only", "sqlite", "--json"]).expect(3);
    outcome.line_says("sqlite.file-rights");
    let found = outcome.json();
    let rights = check(&found, "sqlite.file-rights");
    assert_eq!(rights["status"], "warning");
    assert!(rights["fix"]["command"].as_str().unwrap().contains("chmod 600"));
}

#[test]
fn wrong_names_thresholds_and_files_are_bad_usage() {
    let folder = Folder::migrated();
    folder.write("other.json", "{}");
    for words in [
        ["doctor", "--only", "nothing"],
        ["doctor", "--threshold", "activity.long-queries=-1"],
        ["doctor", "--threshold", "none=1"],
        ["doctor", "--since", "other.json"],
        ["doctor", "--since", "absent.json"],
        ["doctor", "--deep", "fix"],
        ["doctor", "--html", "absent/page.html"],
        ["doctor", "terminate", "0"],
        ["doctor", "terminate", "--older-than=never"],
    ] {
        assert_eq!(folder.run(words).code, Some(2), "{words:?}");
    }
    folder.write("rylie.toml", "[doctor]\n\"no.such\" = 1\n");
    folder.run(["doctor"]).expect(2);
}

#[tokio::test]
async fn the_page_shows_planted_problems_and_needs_nothing_from_elsewhere() {
    let (folder, database) = migrated().await;
    let mut connection = connect(&database).await;
    run(&mut connection, "ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY; CREATE TABLE \"<b>canary\" (n int)").await;
    run(&mut connection, "BEGIN; LOCK TABLE \"SystemSettings\"").await;
    let url = database.url();
    let waiting = tokio::spawn(async move {
        let mut waiter = PgConnection::connect(&url).await.unwrap();
        run(&mut waiter, "UPDATE \"SystemSettings\" SET \"maintenanceMode\" = false").await;
    });
    while waits(&database).await == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let at_once = ["activity.blocking=0", "activity.lock-waits=0"].map(|threshold| format!("--threshold={threshold}"));
    folder.run(["doctor", "--html", "page.html", &at_once[0], &at_once[1]]).expect(3);
    run(&mut connection, "ROLLBACK").await;
    waiting.await.unwrap();

    let page = std::fs::read_to_string(folder.path("page.html")).unwrap();
    for text in [
        "isolation.row-security",
        "has a tenant key",
        "Blocking tree",
        "waits for",
        "Largest tables",
        "&lt;b&gt;canary",
        "critical",
        "warning",
        "not-checked",
        "<td>ok</td>",
    ] {
        assert!(page.contains(text), "the page lacks {text}");
    }
    for text in ["<script", "http:", "https:", "src=", "url(", "@import", "<link", "<b>canary"] {
        assert!(!page.contains(text), "the page has {text}");
    }
    assert_well_formed(&page);
}

/// The browser's own view of the page: an element that it drops or moves would be missing. Without Chromium the test
/// fails; `./test` leaves it out there, by its name, and says so.
#[tokio::test]
async fn a_browser_shows_the_page_on_a_phone_and_on_paper() {
    let (folder, database) = migrated().await;
    let mut connection = connect(&database).await;
    run(&mut connection, "ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY; CREATE TABLE \"<b>canary\" (n int)").await;
    folder.run(["doctor", "--html", "page.html"]).expect(3);

    let seen = as_a_browser_sees(&folder.path("page.html"));

    for text in ["isolation.row-security", "tables.no-primary-key", "<svg", "&lt;b&gt;canary"] {
        assert!(seen.contains(text), "the browser does not show {text}");
    }
}

/// Opens the page in headless Chromium, on a phone's screen and on paper.
#[expect(clippy::expect_used, reason = "a missing browser is named")]
fn as_a_browser_sees(page: &std::path::Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let url = format!("file://{}", page.display());
    let open = |arguments: &[&str]| {
        let mut command = std::process::Command::new("chromium");
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--window-size=360,800"]).args(arguments);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg(&url);
        command
            .output()
            .expect("this test needs the program `chromium`; without it run `cargo test -- --skip a_browser_shows`")
    };
    let seen = open(&["--dump-dom"]);
    let (screen, paper) = (page.with_extension("png"), page.with_extension("pdf"));
    open(&[&format!("--screenshot={}", screen.display())]);
    open(&[&format!("--print-to-pdf={}", paper.display())]);
    for file in [screen, paper] {
        assert!(std::fs::metadata(&file).is_ok_and(|file| file.len() > 5_000), "{} is empty", file.display());
    }
    String::from_utf8(seen.stdout).unwrap()
}

async fn waits(database: &PostgresDatabase) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(sql).fetch_one(&mut connect(database).await).await.unwrap()
}

/// Checks that each element is closed, in order, and that no text has a bare `<` or `&`.
#[track_caller]
fn assert_well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let page = page.strip_prefix("<!DOCTYPE html>").unwrap();
    let (before, style) = page.split_once("<style>").unwrap();
    let (_, after) = style.split_once("</style>").unwrap();
    for part in [before, after].iter().flat_map(|part| part.split('<').skip(1)) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("an open tag: {part}"));
        assert!(!text.contains('>'), "a bare >: {text}");
        for entity in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|known| entity.starts_with(known)), "{entity}");
        }
        let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{part}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn a_later_run_names_what_changed() {
    let (folder, database) = migrated().await;
    let first = folder.run(["doctor", "--json"]);
    folder.write("last.json", &first.out);
    run(&mut connect(&database).await, "ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY").await;

    let later = folder.run(["doctor", "--json", "--since", "last.json"]).expect(3).json();

    let changes = later["changes"]["checks"].as_array().unwrap();
    let change = changes.iter().find(|change| change["name"] == "isolation.row-security").unwrap();
    assert_eq!((&change["before"], &change["after"]), (&"ok".into(), &"critical".into()));
    assert_ne!(check(&later, "queries.changed-plans")["status"], "not-checked");
}

#[tokio::test]
async fn a_fix_is_shown_then_run_and_checked_again() {
    let (folder, database) = migrated().await;
    run(&mut connect(&database).await, "ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY").await;

    let shown = folder.run(["doctor", "fix", "isolation.row-security", "--dry-run"]).expect(3);
    assert!(
        shown.out.contains("ENABLE ROW LEVEL SECURITY") && shown.out.contains("lock: ACCESS EXCLUSIVE"),
        "{shown:?}"
    );
    folder.run(["doctor", "fix", "isolation.row-security"]).expect(4);
    let fixed = folder.run(["doctor", "fix", "isolation.row-security", "--yes", "--json"]).expect(0).json();
    assert_eq!(check(&fixed, "isolation.row-security")["status"], "ok");
    folder.run(["doctor", "fix", "no.such"]).expect(2);
    folder.run(["doctor", "--deep", "fix", "isolation.row-security"]).expect(2);
    folder.run(["doctor", "--database-url", &database.url(), "fix", "isolation.row-security"]).expect(0);
}

/// What looks unused or unlimited to a check may be another application's need.
#[tokio::test]
async fn nothing_is_fixed_in_a_database_that_is_not_ours() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let folder = Folder::new();
    folder.write("rylie.toml", &format!("database_url = \"{}\"\n", database.url()));
    run(&mut connect(&database).await, "CREATE TABLE orders (id int PRIMARY KEY)").await;

    folder.run(["doctor", "fix", "server.timeouts", "--yes"]).expect(4).line_says("belongs to another application");
}

/// The finding is still there, and so is its document.
#[tokio::test]
async fn a_fix_that_fails_says_why_and_looks_again() {
    let (folder, database) = migrated().await;
    let mut connection = connect(&database).await;
    let sql = "CREATE TABLE late (id int PRIMARY KEY, n int); INSERT INTO late VALUES (1, 1); ALTER TABLE late ADD CONSTRAINT few CHECK (n > 1) NOT VALID";
    run(&mut connection, sql).await;

    let outcome = folder.run(["doctor", "fix", "tables.unvalidated-constraint", "--yes", "--json"]).expect(1);

    outcome.line_says("23514");
    assert_eq!(check(&outcome.json(), "tables.unvalidated-constraint")["status"], "warning");
}

#[tokio::test]
async fn a_fix_takes_the_thresholds_of_the_run_that_found_it() {
    let (folder, database) = migrated().await;
    let mut client = connect(&database).await;
    run(&mut client, "BEGIN").await;
    let threshold = ["--threshold", "activity.idle-in-transaction=0"];
    let words = ["doctor", "fix", "activity.idle-in-transaction", "--dry-run"];

    let outcome = folder.run(words.into_iter().chain(threshold)).expect(3);

    assert!(outcome.out.contains(&format!("rylie doctor terminate {}", pid(&mut client).await)), "{outcome:?}");
}

#[tokio::test]
async fn a_process_of_the_server_is_never_ended() {
    let (folder, database) = migrated().await;
    let sql = "SELECT pid::text FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
    let checkpointer: String = sqlx::query_scalar(sql).fetch_one(&mut connect(&database).await).await.unwrap();

    folder.run(["doctor", "terminate", &checkpointer, "--yes", "--force"]).expect(4).line_says("checkpointer");
}

#[tokio::test]
async fn a_fix_by_a_command_of_rylie_runs_it() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
    let sql = "INSERT INTO \"Session\" (id, \"sessionToken\", \"userId\", expires) SELECT 's', 's', id, '2001-01-01 00:00:00' FROM \"User\" LIMIT 1";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    folder.run(["doctor", "--only", "application.expired-sessions"]).expect(3);

    let report = folder.run(["doctor", "fix", "application.expired-sessions", "--yes", "--json"]).expect(0).json();

    assert_eq!(check(&report, "application.expired-sessions")["status"], "ok");
}

#[tokio::test]
async fn a_session_is_ended_after_a_confirmation_and_a_backup_is_not() {
    let (folder, database) = migrated().await;
    let (mut client, mut backup) = (connect(&database).await, connect(&database).await);
    let (of_client, of_backup) = (pid(&mut client).await, pid(&mut backup).await);
    run(&mut client, "BEGIN").await;
    run(&mut backup, "SET application_name = 'pg_dump'; BEGIN").await;

    folder.run(["doctor", "terminate", &of_client]).expect(4);
    folder.run(["doctor", "terminate", &of_backup, "--yes"]).expect(4).line_says("backup");
    let ended = folder.run(["doctor", "terminate", "--older-than", "0s", "--yes", "--json"]).expect(0).json();

    let sessions = ended["sessions"].as_array().unwrap();
    let of = |pid: &str| {
        let pid: i64 = pid.parse().unwrap();
        sessions.iter().find(|session| session["pid"] == pid).unwrap()
    };
    assert_eq!((&of(&of_client)["ended"], &of(&of_backup)["ended"]), (&true.into(), &Value::Null));
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut client).await.is_err());
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut backup).await.is_ok());
    folder.run(["doctor", "terminate", &of_backup, "--yes", "--force"]).expect(0);
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut backup).await.is_err());
}

#[tokio::test]
async fn a_statement_is_cancelled_and_its_session_stays() {
    let (folder, database) = migrated().await;
    let mut client = connect(&database).await;
    let of_client = pid(&mut client).await;
    let working = tokio::spawn(async move {
        let outcome = sqlx::raw_sql("SELECT pg_sleep(60)").execute(&mut client).await;
        (outcome.is_err(), sqlx::raw_sql("SELECT 1").execute(&mut client).await.is_ok())
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;

    folder.run(["doctor", "cancel", &of_client, "--yes"]).expect(0);

    assert_eq!(working.await.unwrap(), (true, true));
}

#[test]
fn a_database_that_cannot_be_reached_is_a_finding() {
    let url = "postgres://postgres:canary@127.0.0.1:1/none";
    let outcome: Outcome = Folder::new().run(["doctor", "--json", "--database-url", url]).expect(3);
    assert_eq!(check(&outcome.json(), "server.reachable")["status"], "critical");
    assert!(!format!("{outcome:?}").contains("canary"));
}
