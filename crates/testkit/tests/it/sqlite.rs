//! A SQLite file is deleted with its value.

use sqlx::{Connection, SqliteConnection};

use rylie_testkit::SqliteDatabase;

#[tokio::test]
async fn a_file_is_made_by_the_first_connection_and_deleted_with_the_value() {
    let database = SqliteDatabase::new().unwrap();
    let path = database.path().to_owned();

    let mut connection = SqliteConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql("PRAGMA journal_mode = wal; CREATE TABLE one (id int)").execute(&mut connection).await.unwrap();
    assert!(path.is_file());

    drop(connection);
    drop(database);
    assert!(!path.parent().unwrap().exists());
}
