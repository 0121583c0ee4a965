//! The assumption about SQLite's file locks.

#![cfg(target_os = "linux")]

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rylie_db::prelude::*;
use rylie_testkit::World;

/// Counts this process's locks on a file, as listed by the kernel.
fn locks(file: &Path) -> usize {
    let of_file = format!(":{} ", std::fs::metadata(file).unwrap().ino());
    let ours = format!(" {} ", std::process::id());
    let all = std::fs::read_to_string("/proc/locks").unwrap();
    all.lines().filter(|lock| lock.contains(&of_file) && lock.contains(&ours)).count()
}

/// A process that closes a file loses all its locks on that file, including SQLite's.
#[tokio::test]
async fn connecting_once_more_leaves_the_locks_of_the_connections_that_are_there() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    let file = Path::new(world.url().trim_start_matches("sqlite://").split('?').next().unwrap());
    let unit = agency.unit().await.unwrap();
    let before = locks(file);
    assert!(before > 0);

    let config = Config::builder().set("database_url", world.url()).unwrap().build().unwrap();
    let again = Database::connect(config).await.unwrap();

    assert!(locks(file) >= before);
    drop((unit, again));
}
