//! `rylie adopt --undo`, and the backup that `--finish` wants.

use std::time::Duration;

use serde_json::json;

use crate::adopt::Prisma;
use crate::support::{Folder, Outcome};

impl Prisma {
    fn by_superuser(&self, folder: &Folder, words: &[&str]) -> Outcome {
        let mut command = folder.command(words);
        command.env("DATABASE_URL", self.superuser_url()).env("RYLIE_BACKUPS", "backups");
        Outcome::of(command.env("RYLIE_AUDIT_KEY", "audit.key").output().unwrap())
    }
}

#[tokio::test]
async fn an_undo_lists_what_is_lost_and_is_confirmed() {
    let prisma = Prisma::new().await;
    prisma.adopt(&["--undo", "--yes"]).expect(4).line_says("nothing to undo");
    prisma.adopt(&["--quiet"]).expect(3);
    prisma
        .execute(r#"INSERT INTO "AuditLog" ("id", "userId", "action", "resource") VALUES ('j', 'job:seal', 'x', 'y')"#)
        .await;

    let listed = prisma.adopt(&["--undo", "--dry-run", "--json"]).expect(0).json();
    assert_eq!((&listed["undone"], &listed["losses"]["audit_records_kept_aside"]), (&json!(false), &json!(1)));
    let refused = prisma.adopt(&["--undo"]).expect(4);
    assert!(refused.err.contains("add --yes") && refused.err.contains("kept aside: 1 audit records"), "{refused:?}");
    prisma.adopt(&["--undo", "--finish"]).expect(2);
    let undone = prisma.adopt(&["--undo", "--yes", "--json"]).expect(0).json();

    assert_eq!(undone["undone"], true);
    assert!(undone["reverted"].as_array().unwrap().len() > 20, "{undone}");
    assert!(prisma.adopt(&["--undo", "--yes"]).expect(0).out.contains("nothing to do"));
    assert_eq!(prisma.adopt(&["--dry-run", "--json"]).expect(0).json()["tables"]["User"], 2);
}

#[tokio::test]
async fn a_killed_undo_is_completed_by_the_next_one() {
    let prisma = Prisma::new().await;
    let url = prisma.superuser_url();
    for killed_after in [150, 500, 900, 1_400] {
        Folder::new().run(["adopt", "--quiet", "--database-url", &url]).expect(0);
        let mut child = Folder::new().start(["adopt", "--undo", "--yes", "--quiet", "--database-url", &url]);
        std::thread::sleep(Duration::from_millis(killed_after));
        child.kill().unwrap();
        child.wait().unwrap();

        prisma.execute(r#"UPDATE "User" SET "name" = 'Ann', "agencyId" = 'a1' WHERE "id" = 'u1'"#).await;
        Folder::new().run(["adopt", "--undo", "--yes", "--quiet", "--database-url", &url]).expect(0);
        assert_eq!(prisma.adopt(&["--dry-run", "--json"]).expect(0).json()["tables"]["User"], 2, "{killed_after}");
    }
}

#[tokio::test]
async fn the_end_wants_a_verified_backup_of_the_last_day() {
    let prisma = Prisma::new().await;
    let folder = Folder::new();
    prisma.by_superuser(&folder, &["adopt", "--quiet"]).expect(0);
    prisma.by_superuser(&folder, &["audit", "keygen"]).expect(0);
    let refused = || prisma.by_superuser(&folder, &["adopt", "--finish"]).expect(4);
    refused().line_says("holds no verified backup of this database");

    let made = prisma.by_superuser(&folder, &["backup", "create", "--json"]);
    if made.code == Some(4) {
        // The installed pg_dump is older than this server.
        made.line_says("is older than the server");
        return;
    }
    let id = made.expect(0).json()["id"].as_str().unwrap().to_owned();
    refused().line_says("roles provision --backup");
    prisma.by_superuser(&folder, &["backup", "verify", &id]).expect(0);
    let other = Prisma::new().await;
    other.by_superuser(&folder, &["adopt", "--quiet"]).expect(0);
    other.by_superuser(&folder, &["adopt", "--finish"]).expect(4).line_says("of this database");
    prisma.by_superuser(&folder, &["adopt", "--finish"]).expect(0);
    prisma.by_superuser(&folder, &["adopt", "--finish"]).expect(0);
    prisma.by_superuser(&folder, &["adopt", "--undo", "--yes"]).expect(4).line_says("the adoption is finished");
}
