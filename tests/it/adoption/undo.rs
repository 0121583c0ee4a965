//! The way back from an adoption. PostgreSQL only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rylie_migration::{AdoptOptions, Catalog, DeployProgress, Error, Login, Password, Provision, Refusal, Sees};
use rylie_testkit::{Cluster, PostgresDatabase};

use super::guide::{Place, everything_read, everything_written, of_the_guide};
use crate::support::interrupted::{adopt_step_by_step, adopt_until, step, undo_step_by_step, undo_until};
use crate::support::old_service::{fill, make_base};
use crate::support::raw::Raw;
use crate::support::sql::{Sql, deploy, migrations, schema};

/// Returns schema, rights and rows of the base, as the old service finds them.
async fn state(url: &str) -> (String, Vec<String>, Vec<String>) {
    let mut sql = Sql::connect(url).await;
    let rights = "SELECT relname || ' ' || coalesce(relacl::text, '') || relrowsecurity || relforcerowsecurity || pg_get_userbyid(relowner) \
         FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname !~ '^rylie_(aside|operator)_' AND relkind IN ('r', 'S') \
         UNION ALL SELECT defaclacl::text FROM pg_default_acl ORDER BY 1";
    let mut rows = Vec::new();
    for table in Catalog::base().tables.into_keys() {
        rows.extend(sql.all(&format!("SELECT t::text FROM \"{table}\" t ORDER BY 1")).await);
    }
    let mut catalog: serde_json::Value = serde_json::from_str(&schema(url).await).unwrap();
    let is_aside = |table: &str| table == "rylie_operator_events" || table.starts_with("rylie_aside_");
    catalog["tables"].as_object_mut().unwrap().retain(|table, _| !is_aside(table));
    (catalog.to_string(), sql.all(rights).await, rows)
}

async fn adopt(url: &str) {
    migrations(url).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
}

async fn undo(url: &str) -> Vec<String> {
    migrations(url).await.undo_adoption(&mut |_| ()).await.unwrap()
}

#[tokio::test]
async fn an_undo_leaves_the_base_that_prisma_made_and_the_guides_logins() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let before = state(&place.url()).await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    adopt(&place.url()).await;
    let names = ["new", "one"].map(|suffix| format!("{}_{suffix}", place.database.name()));
    let [app, readonly] = names.map(|name| Some(Login { name, password: None }));
    let wanted = Provision { app, readonly, sees: Some(Sees::Tenant("a1".to_owned())), ..Provision::default() };
    migrations(&place.url()).await.provision(&wanted).await.unwrap();

    assert!(undo(&place.url()).await.len() > 20);

    assert_eq!(state(&place.url()).await, before);
    assert_eq!(everything_read(&place.app).await, read);
    assert_eq!(everything_written(&place.app).await, written);
    assert!(migrations(&place.url()).await.needs_adoption().await.unwrap());
    assert_eq!(undo(&place.url()).await, Vec::<String>::new());
    // The database can be adopted again.
    adopt(&place.owner).await;
    assert_eq!(everything_written(&place.app).await, written);
}

#[tokio::test]
async fn the_old_service_works_while_a_database_is_adopted_and_taken_back() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = [place.owner.clone(), place.app.clone()]
        .into_iter()
        .enumerate()
        .map(|(number, url)| tokio::spawn(write_all_the_time(url, number, Arc::clone(&stop))))
        .collect();

    adopt(&place.url()).await;
    let began = std::time::Instant::now();
    undo(&place.url()).await;
    let took = began.elapsed();

    stop.store(true, Ordering::Relaxed);
    let mut rounds = 0;
    for writer in writers {
        rounds += writer.await.unwrap();
    }
    assert!(rounds > 20, "{rounds} rounds, the undo took {took:?}");
    let mut sql = Sql::connect(&place.url()).await;
    assert_eq!(sql.one("SELECT count(*)::text FROM \"Task\" WHERE id LIKE 'w%'").await, rounds.to_string());
}

/// Adds, changes and reads rows as Prisma's client does. Returns the number of rounds; the first failure ends it.
async fn write_all_the_time(url: String, number: usize, stop: Arc<AtomicBool>) -> u32 {
    let mut sql = Sql::connect(&url).await;
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = format!("w{number}-{round}");
        for statement in [
            format!(
                "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES ('{id}', 'ann', 'a1', 't', 'd', 'x', now())"
            ),
            format!(
                "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('{id}', 'ann', '{id}', 't', 'BLOG', now())"
            ),
            format!(
                "INSERT INTO \"Session\" (id, \"userId\", \"sessionToken\", expires) VALUES ('{id}', 'bob', '{id}', now())"
            ),
            format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('{id}', 'ann', 'x', 'y')"),
            format!("UPDATE \"Request\" SET title = 'u', \"agencyId\" = 'a2' WHERE id = '{id}'"),
            "UPDATE \"User\" SET \"agencyId\" = 'a1', \"updatedAt\" = now() WHERE id = 'solo'".to_owned(),
            "UPDATE \"User\" SET \"agencyId\" = NULL, \"updatedAt\" = now() WHERE id = 'solo'".to_owned(),
            format!("DELETE FROM \"Session\" WHERE id = '{id}'"),
        ] {
            // A deadlock is retried by the old service, as any database client must.
            while let Err(error) = sql.try_run(&statement).await {
                let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
                assert_eq!(code.as_deref(), Some("40P01"), "{error}: {statement}");
            }
        }
        let read = sql.one(&format!("SELECT title FROM \"Request\" WHERE id = '{id}'")).await;
        assert_eq!(read, "u");
        round += 1;
    }
    round
}

/// The connection is lost at any point; the next call continues.
#[tokio::test]
async fn an_interrupted_undo_is_completed_by_the_next_one() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let before = state(&place.url()).await;
    let (read, written) = (everything_read(&place.app).await, everything_written(&place.app).await);
    for interrupted_at in [1, 9, 40, 80, 110] {
        adopt(&place.url()).await;

        undo_until(&place.url(), step(interrupted_at)).await;
        assert_eq!(everything_read(&place.app).await, read, "{interrupted_at}");
        assert_eq!(everything_written(&place.app).await, written, "{interrupted_at}");
        undo(&place.url()).await;

        assert_eq!(state(&place.url()).await, before, "{interrupted_at}");
    }
}

#[tokio::test]
async fn an_adoption_and_its_undo_that_are_interrupted_after_each_step_are_completed() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let before = state(&place.url()).await;
    let calls = adopt_step_by_step(&place.url()).await;
    assert!(calls > 100, "{calls}");
    let adopted = schema(&place.url()).await;

    let calls = undo_step_by_step(&place.url()).await;

    assert!(calls > 100, "{calls}");
    assert_eq!(state(&place.url()).await, before);
    adopt(&place.url()).await;
    assert_eq!(schema(&place.url()).await, adopted);
}

/// A task is added, and its request moves, when the trigger exists and the foreign key that moves the task does not.
#[tokio::test]
async fn a_row_that_moves_while_its_tenant_key_is_added_gets_the_right_tenant() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    adopt_until(&place.url(), |progress| {
        matches!(progress, DeployProgress::Step { statement, .. } if statement.contains("ADD CONSTRAINT \"Task_requestId_tenantId_fkey\""))
    })
    .await;
    let mut old = Sql::connect(&place.app).await;
    old.run("INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES ('moved', 'ann', 'r-ann', 't', 'BLOG', now())").await;
    old.run("UPDATE \"Request\" SET \"agencyId\" = 'a2' WHERE id = 'r-ann'").await;

    adopt(&place.url()).await;

    assert_eq!(Sql::connect(&place.url()).await.tenant("Task", "moved").await, "a2");
}

/// A killed adoption leaves a migration that is begun and not applied.
#[tokio::test]
async fn a_half_done_adoption_is_taken_back_too() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let before = state(&place.url()).await;
    // A key that is half made, among others.
    for steps in [3, 30, 33, 34, 35, 36, 120] {
        adopt_until(&place.url(), step(steps)).await;

        undo(&place.url()).await;

        assert_eq!(state(&place.url()).await, before, "{steps}");
    }
}

#[tokio::test]
async fn an_undo_lists_what_only_we_hold() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    adopt(&place.url()).await;
    let mut raw = Raw::connect(&place.url()).await;
    raw.run("INSERT INTO \"UsageEvent\" (id, \"userId\", key, kind, \"countedAt\", \"tenantId\") VALUES ('e', 'ann', 'k', 'PAGE', now(), 'a1')").await;
    raw.run("UPDATE \"Task\" SET deleted = true, \"deletedAt\" = now() WHERE id = 't-ann'").await;
    raw.run("UPDATE \"GA4Connection\" SET \"accessToken\" = 'rylie1.k.x' WHERE id = 'c-ann'").await;
    raw.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('j', 'job:seal', 'x', 'y')").await;

    let name = format!("{}_backup", raw.rows("SELECT current_database()::text").await.unwrap()[0]);
    let backup = Some(Login { name: name.clone(), password: Some(Password::new("x").unwrap()) });
    let wanted = Provision { backup, ..Provision::default() };
    migrations(&place.url()).await.provision(&wanted).await.unwrap();

    let losses = migrations(&place.url()).await.undo_losses().await.unwrap();

    assert!(losses.open_logins.contains(&name) && !losses.logins.contains(&name), "{losses:?}");
    assert_eq!(losses.tables["UsageEvent"], 1);
    assert_eq!(losses.soft_deleted.iter().collect::<Vec<_>>(), [(&"Task".to_owned(), &1)]);
    assert_eq!(losses.sealed.iter().collect::<Vec<_>>(), [(&"GA4Connection.accessToken".to_owned(), &1)]);
    // The job's, and that of the provisioning.
    assert_eq!(losses.audit_records_kept_aside, 2);
    undo(&place.url()).await;
    assert_eq!(
        raw.rows("SELECT count(*) FROM rylie_aside_records WHERE \"userId\" = 'job:seal'").await.unwrap(),
        ["1"]
    );
    assert_eq!(raw.rows("SELECT count(*) FROM \"AuditLog\"").await.unwrap(), ["3"]);
}

async fn refused(url: &str) -> Refusal {
    let (losses, undone) =
        (migrations(url).await.undo_losses().await, migrations(url).await.undo_adoption(&mut |_| ()).await);
    match (losses, undone) {
        (Err(Error::Refused(one)), Err(Error::Refused(other))) if one == other => other,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_an_adoption_that_is_not_finished_is_undone() {
    let cluster = Cluster::shared().await.unwrap();
    let (empty, ours, prismas): (PostgresDatabase, PostgresDatabase, PostgresDatabase) = (
        cluster.empty_database().await.unwrap(),
        cluster.empty_database().await.unwrap(),
        cluster.empty_database().await.unwrap(),
    );
    assert_eq!(refused(&empty.url()).await, Refusal::NothingToUndo);
    deploy(&ours.url()).await;
    let before = schema(&ours.url()).await;
    assert_eq!(refused(&ours.url()).await, Refusal::NothingToUndo);
    assert_eq!(schema(&ours.url()).await, before);
    make_base(&prismas.url()).await;
    fill(&mut Sql::connect(&prismas.url()).await).await;
    assert_eq!(refused(&prismas.url()).await, Refusal::NothingToUndo);

    adopt(&prismas.url()).await;
    migrations(&prismas.url()).await.finish_adoption(&mut |_| ()).await.unwrap();

    let before = schema(&prismas.url()).await;
    assert_eq!(refused(&prismas.url()).await, Refusal::Finished);
    assert_eq!(schema(&prismas.url()).await, before);
}

/// A long transaction of the old service delays the undo and blocks no other writer for long.
#[tokio::test]
async fn an_undo_waits_for_the_old_service_and_leaves_the_queue() {
    let place: Place = of_the_guide(Cluster::shared().await.unwrap()).await;
    adopt(&place.url()).await;
    let (mut holder, mut writer) = (Sql::connect(&place.app).await, Sql::connect(&place.app).await);
    holder.run("BEGIN; UPDATE \"Task\" SET title = 'held' WHERE id = 't-ann'").await;
    let url = place.url();
    let undoing = tokio::spawn(async move { undo(&url).await });
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        let began = std::time::Instant::now();
        writer.run("INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\") VALUES (gen_random_uuid(), 'bob', 'r-bob', 't', 'BLOG', now())").await;
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(!undoing.is_finished());
    holder.run("COMMIT").await;

    assert!(!undoing.await.unwrap().is_empty());
    // One attempt of the undo waits 0.4 seconds for its lock; the rest is the load of the machine.
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert_eq!(writer.one("SELECT title FROM \"Task\" WHERE id = 't-ann'").await, "held");
}

/// The dry run refuses what the undo refuses.
#[tokio::test]
async fn what_depends_on_the_coexistence_is_named_before_an_undo() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    adopt(&place.url()).await;
    let mut raw = Raw::connect(&place.url()).await;
    raw.run("CREATE TABLE mine (old boolean DEFAULT rylie_is_foreign_role()); CREATE POLICY mine ON \"Task\" USING (rylie_is_foreign_role())").await;

    let looked = migrations(&place.url()).await.undo_losses().await.map(drop);
    let undone = migrations(&place.url()).await.undo_adoption(&mut |_| ()).await.map(drop);

    for refused in [looked, undone] {
        match refused {
            Err(Error::Refused(Refusal::Dependents { objects })) => {
                assert_eq!(objects, ["default value for column old of table mine", "policy mine on table \"Task\""]);
            }
            other => panic!("{other:?}"),
        }
    }
    raw.run("DROP TABLE mine; DROP POLICY mine ON \"Task\"").await;
    undo(&place.url()).await;
}

#[tokio::test]
async fn an_undo_names_the_indexes_that_go_with_our_columns() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    adopt(&place.url()).await;
    let mut raw = Raw::connect(&place.url()).await;
    assert_eq!(migrations(&place.url()).await.undo_losses().await.unwrap().objects, [""; 0]);
    raw.run(
        "CREATE INDEX mine ON \"Request\" (\"tenantId\", title); CREATE INDEX part ON \"Request\" (title) WHERE \"deletedAt\" IS NULL; \
         ALTER TABLE \"Task\" ADD CONSTRAINT once UNIQUE (\"tenantId\", id, title); \
         CREATE STATISTICS both_columns ON \"tenantId\", title FROM \"Request\"",
    )
    .await;

    let losses = migrations(&place.url()).await.undo_losses().await.unwrap();

    let expected = ["constraint once on table \"Task\"", "index mine", "index part", "statistics object both_columns"];
    assert_eq!(losses.objects, expected);
    undo(&place.url()).await;
}
