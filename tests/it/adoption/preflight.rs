//! What of the server and of other programs an adoption meets is named before it begins. PostgreSQL.

use rylie_migration::{AdoptOptions, Error, Login, PreflightFinding, Provision, Refusal};
use rylie_testkit::{Cluster, PostgresDatabase};

use crate::support::logins::give_away;
use crate::support::old_service::make_base;
use crate::support::raw::Raw;
use crate::support::sql::migrations;

/// Creates Prisma's database, owned by a plain login. Also returns the owner's URL.
async fn prismas(cluster: &Cluster) -> (PostgresDatabase, Raw, String) {
    let database = cluster.empty_database().await.unwrap();
    make_base(&database.url()).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;
    (database, raw, owner)
}

/// Returns the findings of this kind.
async fn found(url: &str, id: &str) -> Vec<PreflightFinding> {
    let options = AdoptOptions { dry_run: true };
    let looked = migrations(url).await.adopt(options, &mut |_| ()).await.unwrap();
    looked.preflight.unwrap().findings.into_iter().filter(|finding| finding.id == id).collect()
}

#[tokio::test]
async fn a_publication_is_named_with_the_columns_that_a_subscriber_needs_first() {
    let (_database, mut raw, owner) = prismas(Cluster::shared().await.unwrap()).await;
    raw.run("CREATE PUBLICATION reports FOR TABLE \"Task\", \"User\"").await;
    raw.run("CREATE PUBLICATION some_columns FOR TABLE \"Request\" (id, title)").await;

    let found = found(&owner, "publication").await;

    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].detail.contains("reports sends Task, User"), "{found:?}");
    let expected = "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS \"deleted\" boolean, ADD COLUMN IF NOT EXISTS \"deletedAt\" \
                    timestamp(3) without time zone, ADD COLUMN IF NOT EXISTS \"tenantId\" text; ALTER TABLE \"User\"";
    assert!(found[0].fix.contains(expected), "{}", found[0].fix);
}

#[tokio::test]
async fn settings_that_would_stop_it_prevent_it() {
    let (database, mut raw, owner) = prismas(Cluster::shared().await.unwrap()).await;
    let login = format!("{}_owner", database.name());
    let other = format!("{}_app", database.name());
    raw.run(&format!("CREATE ROLE \"{other}\" LOGIN; ALTER ROLE \"{other}\" SET row_security = off")).await;

    let off = found(&owner, "row-security-off").await;
    assert!(off.len() == 1 && off[0].blocking && off[0].detail.contains(&other), "{off:?}");
    raw.run(off[0].fix.split('`').nth(1).unwrap()).await;
    assert_eq!(found(&owner, "row-security-off").await, []);

    assert_eq!(found(&owner, "read-only").await, [], "the dry run itself only reads");
    raw.run(&format!("ALTER ROLE \"{login}\" SET default_transaction_read_only = on")).await;
    let read_only = found(&owner, "read-only").await;
    assert!(read_only.len() == 1 && read_only[0].blocking, "{read_only:?}");
    raw.run(read_only[0].fix.split('`').nth(1).unwrap()).await;
    assert_eq!(found(&owner, "read-only").await, []);
}

#[tokio::test]
async fn an_event_trigger_and_open_sessions_are_named() {
    let (_database, mut raw, owner) = prismas(Cluster::shared().await.unwrap()).await;
    raw.run(
        "CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER seen ON ddl_command_end EXECUTE FUNCTION seen()",
    )
    .await;

    let triggers = found(&owner, "event-triggers").await;
    let prepared = found(&owner, "prepared-statements").await;

    raw.run("DROP EVENT TRIGGER seen").await;
    assert!(triggers.len() == 1 && triggers[0].detail.contains("event trigger seen"), "{triggers:?}");
    assert!(prepared.len() == 1 && prepared[0].fix.contains("restart the connection pools"), "{prepared:?}");
}

#[tokio::test]
async fn what_logins_can_no_longer_do_is_named() {
    let (database, mut raw, owner) = prismas(Cluster::shared().await.unwrap()).await;
    let login = |kind: &str| format!("{}_{kind}", database.name());
    raw.run(&format!(
        "CREATE ROLE \"{0}\" LOGIN IN ROLE pg_read_all_data; CREATE ROLE \"{1}\" LOGIN; GRANT SELECT, DELETE ON \"AuditLog\" TO \"{1}\"",
        login("dump"),
        login("cron")
    ))
    .await;

    let [unfiltered, log] = [found(&owner, "unfiltered").await, found(&owner, "audit-log").await];

    let names = |finding: &PreflightFinding, kind: &str| finding.detail.contains(&login(kind));
    assert!(unfiltered.len() == 1 && names(&unfiltered[0], "dump") && !names(&unfiltered[0], "cron"), "{unfiltered:?}");
    assert!(!names(&unfiltered[0], "owner"), "{unfiltered:?}");
    assert!(log.len() == 1 && names(&log[0], "cron") && names(&log[0], "owner") && !names(&log[0], "dump"), "{log:?}");
}

#[tokio::test]
async fn an_agency_whose_id_is_the_key_of_another_tenant_prevents_it() {
    let (_database, mut raw, owner) = prismas(Cluster::shared().await.unwrap()).await;
    assert_eq!(found(&owner, "agency-ids").await, []);
    for id in ["", "platform", "user:ann"] {
        raw.run(&format!("INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('{id}', 'an agency', now())")).await;
        let ids = found(&owner, "agency-ids").await;
        assert!(ids.len() == 1 && ids[0].blocking && ids[0].detail.contains(&format!("'{id}'")), "{ids:?}");
        let refused = migrations(&owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::Prevented { .. })), "{refused}");
        raw.run(&format!("DELETE FROM \"Agency\" WHERE id = '{id}'")).await;
    }
}

/// Another database's owner created the roles of the units. They belong to the server.
#[tokio::test]
async fn an_owner_that_may_not_give_the_roles_learns_one_statement_for_all() {
    let cluster = Cluster::private().await.unwrap();
    let (first, second) = (cluster.empty_database().await.unwrap(), cluster.empty_database().await.unwrap());
    let mut raw = Raw::connect(&second.url()).await;
    let late = raw.rows("SELECT 'yes' WHERE current_setting('server_version_num')::int >= 160000").await.unwrap();
    let (one, two) = (first.managed_owner().await.unwrap(), second.managed_owner().await.unwrap());
    for url in [&one, &two] {
        make_base(url).await;
    }
    migrations(&one).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();

    let row_security = found(&two, "row-security").await;

    // Up to PostgreSQL 15 the right to create roles is enough.
    assert_eq!(row_security.len(), late.len(), "{row_security:?}");
    for finding in row_security {
        let grant = finding.fix.split('`').nth(1).unwrap();
        assert!(grant.starts_with("GRANT rylie_") && grant.contains("WITH ADMIN OPTION"), "{finding:?}");
        raw.run(grant).await;
    }
    let adopted = migrations(&two).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    assert_eq!(adopted.missing_row_security, None);
    migrations(&two).await.refuse_unserved().await.unwrap();
}

/// Up to PostgreSQL 15 only a superuser makes a login for backups. From 16 on an owner can be given the rights.
#[tokio::test]
async fn an_owner_that_may_make_no_login_for_backups_learns_what_is_missing() {
    let cluster = Cluster::private().await.unwrap();
    let database = cluster.empty_database().await.unwrap();
    let mut raw = Raw::connect(&database.url()).await;
    let late =
        !raw.rows("SELECT 'yes' WHERE current_setting('server_version_num')::int >= 160000").await.unwrap().is_empty();
    let owner = database.managed_owner().await.unwrap();
    make_base(&owner).await;
    migrations(&owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    let backup = Login { name: "dumps".to_owned(), password: None };
    let wanted = Provision { backup: Some(backup), ..Provision::default() };

    let refused = migrations(&owner).await.provision(&wanted).await.unwrap_err();

    let Error::Refused(Refusal::MayNotMakeRoles { reason, fix }) = refused else { panic!("{refused:?}") };
    assert!(!reason.contains("may not create roles") && reason.contains("BYPASSRLS"), "{reason}");
    if late {
        raw.run(fix.split('`').nth(1).unwrap()).await;
        migrations(&owner).await.provision(&wanted).await.unwrap();
    } else {
        assert!(fix.contains("as a superuser"), "{fix}");
        migrations(&database.url()).await.provision(&wanted).await.unwrap();
    }
}

#[tokio::test]
async fn every_object_with_a_name_of_ours_prevents_it() {
    let (_database, _raw, owner) = prismas(Cluster::shared().await.unwrap()).await;
    let mut by_owner = Raw::connect(&owner).await;
    by_owner.run("CREATE VIEW rylie_logins AS SELECT 1 AS x; CREATE SEQUENCE rylie_audit_position; CREATE TYPE rylie_database AS (x int)").await;

    let refused = migrations(&owner).await.adopt(AdoptOptions { dry_run: true }, &mut |_| ()).await;

    let Err(Error::NotTheBase { differences }) = refused else { panic!("{refused:?}") };
    let named: Vec<_> = differences.iter().filter(|it| it.blocking).map(|it| it.object.as_str()).collect();
    assert_eq!(named, ["sequence rylie_audit_position", "composite type rylie_database", "view rylie_logins"]);
}
