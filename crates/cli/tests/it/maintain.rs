//! `rylie maintain`

use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use crate::support::Folder;

#[test]
fn an_unmigrated_database_is_told() {
    for job in ["sessions", "usage"] {
        Folder::new().run(["maintain", job]).expect(1).says("run `rylie migrate deploy`");
    }
}

#[test]
fn with_nothing_to_do_the_jobs_do_nothing() {
    let folder = Folder::migrated();
    let sessions = folder.run(["maintain", "sessions", "--json"]).expect(0).json();
    assert_eq!(sessions, json!({ "deleted": 0, "verification_tokens": 0 }));
    assert_eq!(folder.run(["maintain", "usage", "--json"]).expect(0).json(), json!({ "archived": 0 }));
}

#[tokio::test]
async fn expired_sessions_are_deleted_and_counted() {
    let folder = Folder::migrated();
    folder.run(["seed"]).expect(0);
    let mut connection = SqliteConnection::connect(&folder.url()).await.unwrap();
    let sql = r#"INSERT INTO "Session" ("id", "sessionToken", "userId", "expires")
        SELECT 's' || "value", 't' || "value", (SELECT "id" FROM "User" LIMIT 1), "value" FROM
        json_each('["2001-01-01 00:00:00.000", "2002-01-01 00:00:00.000", "2999-01-01 00:00:00.000"]')"#;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();

    let report = folder.run(["maintain", "sessions", "--json"]).expect(0).json();

    assert_eq!(report["deleted"], 2);
}
