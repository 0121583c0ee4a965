//! A unit that may write holds the write lock of a SQLite file, and releases it when it ends.

use std::time::{Duration, Instant};

use rylie_db::own::*;
use rylie_testkit::World;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::comments::{self, Comments};

/// Takes the write lock in another runtime, while this one does nothing. Returns how long that took.
fn locked_by_another(url: &str) -> Result<Duration, String> {
    let url = url.to_owned();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options: SqliteConnectOptions = url.parse().unwrap();
            let mut raw = options.busy_timeout(Duration::from_millis(1_500)).connect().await.unwrap();
            let start = Instant::now();
            sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut raw).await.map_err(|error| error.to_string())?;
            sqlx::raw_sql("ROLLBACK").execute(&mut raw).await.map_err(|error| error.to_string())?;
            raw.close().await.unwrap();
            Ok(start.elapsed())
        })
    });
    other.join().unwrap()
}

// On one thread: a lock that a task of the runtime releases stays while the test waits for the other thread.
#[tokio::test]
async fn the_file_is_free_when_a_unit_that_wrote_nothing_has_ended() {
    let world = World::sqlite_with(comments::schema()).await.unwrap();
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap().id;
    for turn in 0..3 {
        let unit = agency.unit().await.unwrap();
        unit.comments().report().await.unwrap();
        assert!(locked_by_another(world.url()).is_err(), "a unit that may write holds the lock");
        unit.commit().await.unwrap();
        locked_by_another(world.url()).unwrap();

        let unit = agency.unit().await.unwrap();
        unit.comments().report().await.unwrap();
        unit.commit_with_position().await.unwrap();
        locked_by_another(world.url()).unwrap();

        let platform = world.platform().await.unwrap();
        platform.users().find_many(&[]).await.unwrap();
        platform.commit().await.unwrap();
        locked_by_another(world.url()).unwrap();

        let unit = agency.unit().await.unwrap();
        unit.comments().add(&request, None, "rolled back").await.unwrap();
        drop(unit);
        locked_by_another(world.url()).unwrap();
        drop(world.platform().await.unwrap());
        locked_by_another(world.url()).unwrap();

        let unit = agency.unit().await.unwrap();
        let page = unit.comments().list(&request, KeysetRequest::first(10)).await.unwrap();
        assert_eq!(page.items.len(), turn, "what was dropped is gone, and the connection works");
        unit.comments().add(&request, None, "kept").await.unwrap();
        unit.commit().await.unwrap();
    }
}
