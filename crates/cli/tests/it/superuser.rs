//! A superuser's commands run no code that another role has put into schema `public`.

use rylie_testkit::{Cluster, PostgresDatabase};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::Folder;

async fn execute(database: &PostgresDatabase, sql: &str) {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_is_refused_before_it_runs_a_function_of_another_role() {
    let folder = Folder::new();
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    folder.run(["migrate", "deploy", "--database-url", &url]).expect(0);
    folder.run(["audit", "keygen"]).expect(0);
    let role = format!("o_{}", database.name());
    execute(
        &database,
        &format!(
            "CREATE ROLE \"{role}\"; GRANT CREATE, USAGE ON SCHEMA public TO \"{role}\"; SET ROLE \"{role}\"; \
             CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'it ran as %', session_user; END $$; RESET ROLE; \
             CREATE FUNCTION public.replace(text) RETURNS text LANGUAGE sql AS 'SELECT $1'"
        ),
    )
    .await;

    for words in [
        "audit list",
        "audit verify",
        "audit seal",
        "doctor",
        "size",
        "migrate deploy",
        "roles check",
        "drift",
        "tenant export x --out x",
    ] {
        let words: Vec<&str> = words.split(' ').chain(["--database-url", &url]).collect();
        let refused = folder.run(&words).expect(4);
        let named = format!("function public.format(text,text) (owner {role})");
        assert!(refused.err.contains(&named) && refused.err.contains("DROP FUNCTION"), "{words:?}: {}", refused.err);
        // A superuser's function is its own.
        assert!(!refused.err.contains("replace"), "{}", refused.err);
    }
    execute(&database, &format!("DROP FUNCTION public.format(text, text); DROP FUNCTION public.replace(text); DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await;
    folder.run(["audit", "list", "--database-url", &url]).expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_every_login_may_write_is_warned_of() {
    let folder = Folder::new();
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let url = database.url();
    execute(&database, "GRANT CREATE ON SCHEMA public TO PUBLIC").await;

    let deployed = folder.run(["migrate", "deploy", "--database-url", &url]).expect(0);

    assert!(deployed.err.contains("REVOKE CREATE ON SCHEMA public FROM PUBLIC"), "{}", deployed.err);
    execute(&database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let deployed = folder.run(["migrate", "deploy", "--database-url", &url]).expect(0);
    assert!(!deployed.err.contains("warning"), "{}", deployed.err);
}
