//! `rylie roles`

use std::io::Write;
use std::process::Stdio;

use rylie_testkit::{Cluster, PostgresDatabase};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Folder, Outcome};

/// Creates a migrated database and a unique login name: logins belong to the whole server.
async fn migrated(folder: &Folder) -> (PostgresDatabase, String) {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    folder.run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    let name = format!("l_{}", database.name().trim_start_matches("rylie_test_"));
    (database, name)
}

fn url_as(database: &PostgresDatabase, login: &str, password: &str) -> String {
    let options: PgConnectOptions = database.url().parse().unwrap();
    let host = options.get_host().replace('/', "%2F");
    format!("postgres://{login}:{password}@{host}:{}/{}", options.get_port(), options.get_database().unwrap())
}

fn provision(folder: &Folder, database: &PostgresDatabase, words: &[&str], input: &str) -> Outcome {
    let url = database.url();
    let mut command = folder.command([&["roles", "provision", "--json", "--database-url", &url], words].concat());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Outcome::of(child.wait_with_output().unwrap())
}

async fn execute(database: &PostgresDatabase, sql: &str) {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Returns the server's verifier of the password.
async fn verifier(database: &PostgresDatabase, login: &str) -> Option<String> {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let sql = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{login}'");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_a_file_or_standard_input_and_is_shown_nowhere() {
    let folder = Folder::new();
    let (database, app) = migrated(&folder).await;
    let reader = format!("{app}_r");
    folder.write("app.txt", "canary-in-file\n");
    execute(&database, "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'North', now())").await;

    let words = ["--app", &app, "--app-password-file", "app.txt", "--readonly", &reader, "--tenant", "a1"];
    let made = provision(&folder, &database, &words, "canary-on-input\n").expect(0);

    let roles = made.json()["roles"].clone();
    assert_eq!(
        (&roles[0]["login"], &roles[1]["login"], &roles[1]["tenant"]),
        (&app.as_str().into(), &reader.as_str().into(), &"a1".into())
    );
    assert!(!made.out.contains("canary") && !made.err.contains("canary"), "{made:?}");
    for login in [&app, &reader] {
        assert!(verifier(&database, login).await.unwrap().starts_with("SCRAM-SHA-256$"), "{login}");
    }
    let shown = folder.run(["roles", "show", "--json", "--database-url", &database.url()]).expect(0).json();
    assert_eq!(shown["roles"], roles);
}

#[tokio::test(flavor = "multi_thread")]
async fn provisioning_again_keeps_the_password_where_none_is_given() {
    let folder = Folder::new();
    let (database, app) = migrated(&folder).await;
    provision(&folder, &database, &["--app", &app], "first\n").expect(0);
    let before = verifier(&database, &app).await;

    provision(&folder, &database, &["--app", &app], "").expect(0);
    assert_eq!(verifier(&database, &app).await, before);

    provision(&folder, &database, &["--app", &app], "second\n").expect(0);
    assert_ne!(verifier(&database, &app).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_every_tenant_takes_a_reason_and_odd_passwords_are_bad_usage() {
    let folder = Folder::new();
    let (database, login) = migrated(&folder).await;
    folder.write("empty.txt", "\n");

    provision(&folder, &database, &["--readonly", &login, "--cross-tenant"], "").expect(2);
    provision(&folder, &database, &["--readonly", &login, "--cross-tenant", "--reason", " "], "").expect(2);
    provision(&folder, &database, &["--readonly", &login, "--readonly-password-file", "empty.txt"], "").expect(2);
    let odd = provision(&folder, &database, &["--readonly", &login], "cänary\n").expect(2);
    assert!(!odd.err.contains("nary"), "{odd:?}");
    provision(&folder, &database, &["--app", "postgres"], "").expect(4);
    provision(&folder, &database, &["--app", "rylie_platform"], "").expect(4);
    provision(&folder, &database, &[], "").expect(2);
    let twice = provision(&folder, &database, &["--app", &login, "--sealer", &login], "x\ny\n").expect(2);
    assert!(twice.err.contains("is named twice"), "{twice:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_as_the_service_passes_and_as_the_owner_fails() {
    let folder = Folder::new();
    let (database, app) = migrated(&folder).await;
    provision(&folder, &database, &["--app", &app], "x\n").expect(0);

    folder.run(["roles", "check", "--database-url", &url_as(&database, &app, "x")]).expect(0);
    let owner = folder.run(["roles", "check", "--json", "--database-url", &database.url()]).expect(3).json();

    let service = owner["checks"].as_array().unwrap().iter().find(|check| check["id"] == "roles.service").unwrap();
    assert_eq!(service["status"], "fail");
    assert_ne!(service["fix"], "");
    // The service may read everything in the schema, and change nothing in it.
    let url = url_as(&database, &app, "x");
    folder.run(["migrate", "status", "--database-url", &url]).expect(0);
    folder.run(["migrate", "deploy", "--database-url", &url]).expect(0);
    folder.run(["drift", "--database-url", &url]).expect(0);
    folder.run(["migrate", "down", "--database-url", &url]).expect(4).says("owner");
    folder.run(["migrate", "reset", "--force", "--database-url", &url]).expect(4).says("owner");
    folder.run(["environment", "mark", "staging", "--database-url", &url]).expect(4).says("owner");
}

#[test]
fn sqlite_has_no_logins() {
    let folder = Folder::migrated();
    folder.run(["roles", "provision", "--app", "app"]).expect(4).says("SQLite has no roles");
    folder.run(["roles", "check"]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sealers_login_seals_and_the_services_learns_who_may() {
    let folder = Folder::new();
    let (database, app) = migrated(&folder).await;
    let sealer = format!("{app}_s");
    let made = provision(&folder, &database, &["--app", &app, "--sealer", &sealer], "x\ny\n").expect(0).json();
    assert_eq!((&made["roles"][0]["kind"], &made["roles"][1]["kind"]), (&"app".into(), &"sealer".into()));
    folder.run(["audit", "keygen"]).expect(0);

    let service = url_as(&database, &app, "x");
    for command in [&["audit", "seal"][..], &["maintain", "audit"], &["audit", "erase", "ann", "--force"]] {
        let words = [command, &["--database-url", &service]].concat();
        folder.run(words).expect(4).says("rylie roles provision --sealer NAME");
    }
    let sealers = url_as(&database, &sealer, "y");
    folder.run(["audit", "seal", "--database-url", &sealers]).expect(0);
    folder.run(["audit", "verify", "--database-url", &service]).expect(0);
    folder.run(["roles", "check", "--database-url", &service]).expect(0);
    let check = folder.run(["roles", "check", "--database-url", &sealers]).expect(0);
    assert!(check.out.contains("may seal, remove and erase audit records"), "{check:#?}");
    provision(&folder, &database, &["--sealer", "rylie_sealer"], "").expect(4);
    provision(&folder, &database, &["--sealer", &app], "").expect(4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_every_tenant_verifies_the_audit_log_and_writes_nothing() {
    let folder = Folder::new();
    let (database, reader) = migrated(&folder).await;
    folder.run(["seed", "--database-url", &database.url()]).expect(0);
    folder.run(["audit", "keygen"]).expect(0);
    folder.run(["audit", "seal", "--database-url", &database.url()]).expect(0);
    execute(&database, "INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'North', now())").await;
    let verify = ["audit", "verify", "--database-url", &url_as(&database, &reader, "x")];

    provision(&folder, &database, &["--readonly", &reader, "--tenant", "a1"], "x\n").expect(0);
    let refused = folder.run(verify).expect(1);
    assert!(refused.err.contains("GRANT rylie_auditor TO") && !refused.err.contains("rylie_doors"), "{refused:?}");

    let every = ["--readonly", &reader, "--cross-tenant", "--reason", "verifies the log"];
    provision(&folder, &database, &every, "").expect(0);
    let verified = folder.run(verify).expect(0);
    assert!(!verified.err.contains("GRANT"), "{verified:?}");
    folder.run(["migrate", "deploy", "--database-url", &database.url()]).expect(0);
    folder.run(["drift", "--database-url", &database.url()]).expect(0);

    let mut connection = PgConnection::connect(&url_as(&database, &reader, "x")).await.unwrap();
    for role in ["rylie_doors", "rylie_platform", "rylie_tenant", "rylie_sealer"] {
        let outcome = sqlx::raw_sql(AssertSqlSafe(format!("SET ROLE {role}"))).execute(&mut connection).await;
        assert!(outcome.is_err(), "the reader may assume {role}");
    }
    provision(&folder, &database, &["--readonly", &reader, "--tenant", "a1"], "").expect(0);
    folder.run(verify).expect(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correctly_provisioned_login_passes_the_check_with_a_warning() {
    let folder = Folder::new();
    let (database, name) = migrated(&folder).await;
    let (sealer, reader, backup) = (format!("{name}_s"), format!("{name}_r"), format!("{name}_b"));
    let every = ["--cross-tenant", "--reason", "reports"];
    let words = [&["--sealer", &sealer, "--readonly", &reader, "--backup", &backup][..], &every].concat();
    provision(&folder, &database, &words, "x\nx\nx\n").expect(0);

    for (login, warned) in [(&sealer, "roles.sealer"), (&reader, "roles.units"), (&backup, "roles.service")] {
        let url = url_as(&database, login, "x");
        let checks = folder.run(["roles", "check", "--json", "--database-url", &url]).expect(0).json();
        let found: Vec<_> =
            checks["checks"].as_array().unwrap().iter().filter(|check| check["status"] != "ok").collect();
        assert!(found.iter().any(|check| check["id"] == warned), "{login}: {found:?}");
        assert!(found.iter().all(|check| check["status"] == "warn"), "{login}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_a_tenant_that_does_not_exist_is_refused() {
    let folder = Folder::new();
    let (database, reader) = migrated(&folder).await;

    for unknown in ["nobody", "user:nobody", "platform"] {
        let refused = provision(&folder, &database, &["--readonly", &reader, "--tenant", unknown], "x\n").expect(4);
        refused.says(&format!("there is no tenant {unknown}"));
    }

    execute(&database, "INSERT INTO \"User\" (id, email, \"updatedAt\") VALUES ('u1', 'u1@x', now())").await;
    provision(&folder, &database, &["--readonly", &reader, "--tenant", "user:u1"], "x\n").expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_a_password_is_refused() {
    let folder = Folder::new();
    let (database, name) = migrated(&folder).await;

    for kind in ["app", "sealer", "readonly", "backup"] {
        let login = format!("{name}_{kind}");
        let refused = provision(&folder, &database, &[&format!("--{kind}"), &login], "").expect(4);
        refused.says(&format!("--{kind}-password-file FILE"));
        execute(&database, &format!("CREATE ROLE {login} LOGIN")).await;
        provision(&folder, &database, &[&format!("--{kind}"), &login], "").expect(4);
        provision(&folder, &database, &[&format!("--{kind}"), &login], "x\n").expect(0);
        provision(&folder, &database, &[&format!("--{kind}"), &login], "").expect(0);
    }
}
