//! SQLite after a crash at every write, without its write-ahead log, and on a full disk.
//!
//! A commit appends frames to the write-ahead log. A process that is killed leaves a beginning of it, so each beginning
//! is a crash. A child process gets a limit on the size of files, so that its disk is full at each size.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rylie_db::prelude::*;
use rylie_testkit::{TestAgency, World};

use crate::support::seed::length;
use crate::support::sql::Sql;

/// The header of the log, and of each frame in it.
const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// A database file and its write-ahead log.
struct Files {
    database: Vec<u8>,
    log: Vec<u8>,
}

fn path(url: &str) -> PathBuf {
    url.strip_prefix("sqlite://").unwrap().split('?').next().unwrap().into()
}

fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

impl Files {
    fn of(url: &str) -> Self {
        let path = path(url);
        Self { database: fs::read(&path).unwrap(), log: fs::read(beside(&path, "-wal")).unwrap_or_default() }
    }

    fn page(&self) -> usize {
        usize::from(u16::from_be_bytes(self.database[16..18].try_into().unwrap()))
    }

    /// Writes the database with this much of the log, as a killed process leaves it. Returns the URL.
    fn write(&self, folder: &Path, log: &[u8]) -> String {
        let path = folder.join("crashed.db");
        fs::write(&path, &self.database).unwrap();
        let _ = fs::remove_file(beside(&path, "-shm"));
        fs::write(beside(&path, "-wal"), log).unwrap();
        format!("sqlite://{}?mode=rw", path.display())
    }
}

/// Writes the log to the database.
async fn checkpoint(world: &World, mode: &str) {
    let mut sql = Sql::connect(world.url()).await;
    sql.run(&format!("PRAGMA wal_checkpoint({mode})")).await;
    sql.close().await;
}

async fn add(agency: &TestAgency<'_>, title: &str) {
    let unit = agency.unit().await.unwrap();
    add_in(&*unit, title).await.unwrap();
    unit.commit().await.unwrap();
}

/// A change with a part and a record: a request, its task, and an event.
async fn add_in(unit: &dyn TenantUnit, title: &str) -> Result<(), rylie_db::repositories::Error> {
    let request = NewRequest::new(title, RequestKind::Page);
    let request = unit.requests().add_with_tasks(request, vec![NewTask::new(title, TaskType::Page)]).await?;
    let event = Event::new(Action::Other("ADDED".into())).on_row("Request", request.request.id.as_str());
    unit.audit().record(event).await
}

/// Checks that the file is intact and each change is whole. Returns the titles.
async fn changes(url: &str) -> BTreeSet<String> {
    let mut sql = Sql::connect(url).await;
    assert_eq!(sql.all("PRAGMA integrity_check").await, ["ok"]);
    let halves = "SELECT r.id FROM \"Request\" r WHERE NOT EXISTS (SELECT 1 FROM \"Task\" t WHERE t.\"requestId\" = r.id) \
         OR NOT EXISTS (SELECT 1 FROM \"AuditLog\" a WHERE a.\"resourceId\" = r.id AND a.action = 'ADDED')";
    assert_eq!(sql.all(halves).await, Vec::<String>::new(), "a change is half there");
    let titles = sql.all("SELECT title FROM \"Request\"").await;
    // The file is written over by the next crash.
    sql.close().await;
    titles.into_iter().collect()
}

/// The store opens the file and writes to it.
async fn serves(world: &World, url: &str, agency: &TestAgency<'_>) {
    let database = world.connect_with_settings(&[("database_url", url)]).await.unwrap();
    let unit = database.store().tenant(&agency.scope()).await.unwrap();
    add_in(&*unit, "after the crash").await.unwrap();
    unit.commit().await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn a_process_killed_at_any_write_leaves_a_beginning_of_its_commits() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    checkpoint(&world, "TRUNCATE").await;
    let commits = usize::try_from(length("RYLIE_TEST_CRASH_COMMITS", 6)).unwrap();
    for number in 0..commits {
        add(&agency, &format!("r{number}")).await;
    }
    let files = Files::of(world.url());
    assert!(!files.log.is_empty(), "the log was not written to the database yet");
    let (folder, frame) = (tempfile::tempdir().unwrap(), FRAME_HEADER + files.page());
    let frames = (files.log.len() - LOG_HEADER) / frame;
    let (mut most, mut crashes) = (0, 0);
    for number in 0..=frames {
        // At the end of a frame, inside its header, and inside its page.
        for within in [0, 9, frame / 2] {
            let end = (LOG_HEADER + number * frame + within).min(files.log.len());
            let url = files.write(folder.path(), &files.log[..end]);
            let found = changes(&url).await;
            let expected: BTreeSet<_> = (0..found.len()).map(|number| format!("r{number}")).collect();
            assert_eq!(found, expected, "the commits in their order");
            assert!(found.len() >= most, "a later crash has every earlier commit");
            most = found.len();
            crashes += 1;
            if crashes % 25 == 0 {
                serves(&world, &url, &agency).await;
            }
        }
    }
    println!("{crashes} crashes in {frames} frames");
    assert_eq!(most, commits, "the whole log has every commit");
    assert!(crashes > 30);
}

/// One bit of the log changed: the earlier commits remain, and no later one.
#[tokio::test]
async fn a_damaged_log_ends_at_the_damage() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    checkpoint(&world, "TRUNCATE").await;
    for number in 0..4 {
        add(&agency, &format!("r{number}")).await;
    }
    let files = Files::of(world.url());
    let (folder, frame) = (tempfile::tempdir().unwrap(), FRAME_HEADER + files.page());
    let mut sizes = BTreeSet::new();
    for at in (LOG_HEADER + FRAME_HEADER + 5..files.log.len()).step_by(frame) {
        let mut log = files.log.clone();
        log[at] ^= 0x10;
        let url = files.write(folder.path(), &log);
        let found = changes(&url).await;
        let expected: BTreeSet<_> = (0..found.len()).map(|number| format!("r{number}")).collect();
        assert_eq!(found, expected);
        sizes.insert(found.len());
    }
    assert!(sizes.len() > 2 && !sizes.contains(&4), "{sizes:?}");
}

#[tokio::test]
async fn a_copy_without_its_log_is_intact_and_has_the_commits_of_the_checkpoint() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    add(&agency, "before").await;
    checkpoint(&world, "TRUNCATE").await;
    add(&agency, "after").await;
    let files = Files::of(world.url());
    let folder = tempfile::tempdir().unwrap();

    let with = changes(&files.write(folder.path(), &files.log)).await;
    let url = files.write(folder.path(), &[]);
    let without = changes(&url).await;

    assert_eq!(with.len(), 2);
    assert_eq!(without, BTreeSet::from(["before".to_owned()]));
    serves(&world, &url, &agency).await;
}

/// A checkpoint that was killed after any of its pages: the log is still there and is written again.
#[tokio::test]
async fn a_checkpoint_killed_at_any_page_loses_nothing() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    checkpoint(&world, "TRUNCATE").await;
    for number in 0..4 {
        add(&agency, &format!("r{number}")).await;
    }
    let files = Files::of(world.url());
    checkpoint(&world, "FULL").await;
    let after = fs::read(path(world.url())).unwrap();
    let (folder, page) = (tempfile::tempdir().unwrap(), files.page());
    let mut torn = Files { database: files.database.clone(), log: files.log.clone() };
    torn.database.resize(after.len(), 0);
    let (mut written, mut killed) = (0, 0);
    for (number, new) in after.chunks(page).enumerate() {
        let place = number * page..number * page + new.len();
        if torn.database[place.clone()] == *new {
            continue;
        }
        // Half of the page, then all of it.
        for length in [new.len() / 2, new.len()] {
            torn.database[place.start..place.start + length].copy_from_slice(&new[..length]);
            assert_eq!(changes(&torn.write(folder.path(), &torn.log)).await.len(), 4, "after {written} pages");
            killed += 1;
        }
        written += 1;
    }
    assert!(killed > 10, "{killed}");
}

/// The writer on a disk that becomes full, which the test below starts as a separate process.
#[tokio::test]
#[ignore = "started by the test below"]
async fn writes_until_the_disk_is_full() {
    let Ok(url) = std::env::var("RYLIE_TEST_CRASH_URL") else { return };
    let config = Config::builder().set("database_url", &url).unwrap().set("max_connections", 1).unwrap();
    let database = match Database::connect(config.build().unwrap()).await {
        Ok(database) => database,
        Err(error) => return println!("unopened {error:?}"),
    };
    let mut failed = 0;
    for round in 0..400 {
        let title = format!("r{round}");
        let written = async {
            let unit = database.store().platform(Grant::job("writer", "to fill the disk").unwrap()).await?;
            let agency = unit.agency_administration().add(NewAgency::new(&title)).await?;
            let event = Event::new(Action::Other("ADDED".into())).on_row("Agency", agency.id.as_str());
            unit.audit().record(event).await?;
            unit.commit().await
        };
        match written.await {
            Ok(()) => println!("written {title}"),
            Err(error) => {
                println!("failed {title} {error:?}");
                failed += 1;
            }
        }
        // Some more: a full disk is no reason to panic or to hang at the next call.
        if failed == 3 {
            break;
        }
    }
    println!("ended");
}

#[tokio::test]
async fn a_full_disk_is_an_error_at_every_size_and_loses_no_acknowledged_write() {
    let world = World::sqlite().await.unwrap();
    let agency = world.agency().await.unwrap();
    checkpoint(&world, "TRUNCATE").await;
    let files = Files::of(world.url());
    let (folder, mut errors, mut full) = (tempfile::tempdir().unwrap(), BTreeSet::new(), 0);
    let base = files.database.len() / 512;
    let steps = length("RYLIE_TEST_DISK_SIZES", 6);
    for step in 0..steps {
        let url = files.write(folder.path(), &[]);
        // In units of 512 bytes; not a multiple of a page, so that a page is cut.
        let limit = base + usize::try_from(3 + step * 13).unwrap();
        let mut writer = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f $1 || exit 9; shift; exec \"$@\"", "sh", &limit.to_string()])
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "machinery::sqlite_crash::writes_until_the_disk_is_full"])
            .env("RYLIE_TEST_CRASH_URL", &url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut acknowledged, mut failed, mut ended) = (BTreeSet::new(), BTreeSet::new(), false);
        for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let words: Vec<_> = line.splitn(3, ' ').collect();
            match words.as_slice() {
                ["written", title] => drop(acknowledged.insert((*title).to_owned())),
                ["failed", title, error] => {
                    failed.insert((*title).to_owned());
                    errors.insert((*error).to_owned());
                }
                ["unopened", ..] | ["ended"] => ended = true,
                _ => {}
            }
        }
        writer.wait().unwrap();
        assert!(ended, "the process ended by itself at {limit}");
        full += u32::from(!failed.is_empty());

        let mut sql = Sql::connect(&url).await;
        assert_eq!(sql.all("PRAGMA integrity_check").await, ["ok"]);
        let kept: BTreeSet<_> = sql.all("SELECT name FROM \"Agency\" WHERE name LIKE 'r%'").await.into_iter().collect();
        assert!(acknowledged.is_subset(&kept), "{:?}", acknowledged.difference(&kept));
        assert!(failed.is_disjoint(&kept), "{:?}", failed.intersection(&kept));
        let halves = "SELECT name FROM \"Agency\" r WHERE name LIKE 'r%' AND NOT EXISTS \
             (SELECT 1 FROM \"AuditLog\" a WHERE a.\"resourceId\" = r.id AND a.action = 'ADDED')";
        assert_eq!(sql.all(halves).await, Vec::<String>::new());
        sql.close().await;
        // There is space again.
        serves(&world, &url, &agency).await;
    }
    println!("full {full} times, {errors:?}");
    assert!(full >= 3 && !errors.is_empty(), "{full} {errors:?}");
}
