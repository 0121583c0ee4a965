//! PostgreSQL on a full disk: the tables are on a small file system.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use rylie_db::prelude::*;
use rylie_db::repositories::Error;
use rylie_testkit::{Cluster, World};
use tempfile::TempDir;

use crate::support::sql::Sql;

/// A file system of a few megabytes. Dropping it unmounts it.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::Builder::new().prefix("rylie-small-").tempdir_in("/tmp").unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=6m,mode=0777", "tmpfs"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(mounted.success(), "mounting takes root");
        let disk = Self(folder);
        // The server's user must own the folder of a tablespace.
        assert!(Command::new("chmod").args(["0755"]).arg(disk.0.path()).status().unwrap().success());
        disk
    }

    fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
#[ignore = "mounts a file system, which takes root; CONTRIBUTING.md names the command"]
async fn a_full_tablespace_is_an_error_and_work_goes_on_when_there_is_space() {
    let disk = SmallDisk::mount();
    let cluster = Cluster::private().await.unwrap();
    let world = World::postgres_of(&cluster).await.unwrap();
    let agency = world.agency().await.unwrap();
    let mut sql = Sql::connect(world.url()).await;
    let data = sql.one("SELECT setting FROM pg_settings WHERE name = 'data_directory'").await;
    let inside = disk.folder().join("space");
    std::fs::create_dir(&inside).unwrap();
    let given = Command::new("chown").arg(format!("--reference={data}")).arg(&inside).status().unwrap();
    assert!(given.success());
    sql.run(&format!("CREATE TABLESPACE small LOCATION '{}'", inside.display())).await;
    for table in ["Request", "Task"] {
        sql.run(&format!("ALTER TABLE \"{table}\" SET TABLESPACE small")).await;
    }
    let filler = inside.join("filler");
    // Leaves little space.
    std::fs::write(&filler, vec![0; 4 * 1024 * 1024]).unwrap();

    let (mut acknowledged, mut failed, mut full) = (BTreeSet::new(), BTreeSet::new(), None);
    for round in 0..2_000 {
        let title = format!("r{round}");
        let written = async {
            let unit = agency.unit().await.unwrap();
            let mut new = NewRequest::new(&title, RequestKind::Page);
            new.description = format!("{round} ").repeat(60);
            unit.requests().add_with_tasks(new, vec![NewTask::new(&title, TaskType::Page); 20]).await?;
            unit.audit().record(Event::new(Action::Other("ADDED".into())).on_row("Request", title.as_str())).await?;
            unit.commit().await
        };
        match written.await {
            Ok(()) => drop(acknowledged.insert(title)),
            Err(error) => {
                failed.insert(title);
                full = Some(error);
                if failed.len() == 3 {
                    break;
                }
            }
        }
    }
    let full = full.expect("the disk became full");
    println!("{} written, then {full:?}", acknowledged.len());
    assert!(matches!(&full, Error::Database(_)) && format!("{full:?}").contains("53100"), "{full:?}");
    let kept: BTreeSet<_> = sql.all("SELECT title FROM \"Request\"").await.into_iter().collect();
    assert_eq!(kept, acknowledged);
    let records = sql.all("SELECT \"resourceId\" FROM \"AuditLog\" WHERE action = 'ADDED'").await;
    assert_eq!(records.into_iter().collect::<BTreeSet<_>>(), acknowledged, "a record for each change, and no other");
    assert!(world.database().health().await.unwrap().is_ready());

    std::fs::remove_file(filler).unwrap();
    agency.request().await.unwrap();
    drop((sql, world));
    cluster.crash().await.unwrap();
}
