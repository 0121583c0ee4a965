//! A database that the old service still uses: isolated for us, and open for its owner until the adoption is finished.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rylie_migration::{AdoptOptions, DeployProgress, Error, Refusal, State};
use rylie_testkit::{Cluster, PostgresDatabase};

use super::guide::of_the_guide;
use crate::support::interrupted::{adopt_until, begins};
use crate::support::logins::give_away;
use crate::support::old_service::{fill, make_base};
use crate::support::raw::Raw;
use crate::support::sql::{Sql, deploy, migrations};

const ROWS: &str = "SELECT id FROM \"Request\" ORDER BY id";

/// Creates a database as Prisma does, adopted by its plain owner. Also returns the owner's URL.
async fn adopted_by_owner(cluster: &Cluster) -> (PostgresDatabase, Raw, String) {
    let database = cluster.empty_database().await.unwrap();
    make_base(&database.url()).await;
    fill(&mut Sql::connect(&database.url()).await).await;
    let mut raw = Raw::connect(&database.url()).await;
    let owner = give_away(&database, &mut raw).await;
    migrations(&owner).await.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    (database, raw, owner)
}

#[tokio::test]
async fn the_old_service_sees_everything_until_the_adoption_is_finished() {
    let (database, mut raw, owner) = adopted_by_owner(Cluster::shared().await.unwrap()).await;
    deploy(&database.url()).await;
    let mut old_service = Raw::connect(&owner).await;
    assert_eq!(old_service.rows(ROWS).await.unwrap(), ["r-ann", "r-bob", "r-solo"]);
    old_service.run("UPDATE \"Request\" SET title = 'old' WHERE id = 'r-bob'").await;
    assert_eq!(raw.as_tenant("a1", ROWS).await.unwrap(), ["r-ann"]);
    let mut by_owner = migrations(&owner).await;
    assert_eq!(by_owner.catalog().await.unwrap().tables["Request"].row_security.as_deref(), Some("enabled"));

    assert!(by_owner.finish_adoption(&mut |_| ()).await.unwrap());

    assert_eq!(by_owner.mark().await.unwrap().unwrap().state, State::Fresh);
    assert_eq!(by_owner.missing_row_security().await.unwrap(), None);
    assert_eq!(old_service.rows(ROWS).await, Ok(vec![]));
    assert_eq!(old_service.as_tenant("a1", ROWS).await.unwrap(), ["r-ann"]);
    assert!(!by_owner.finish_adoption(&mut |_| ()).await.unwrap());
    // A second adoption counts the rows again, and keeps the state.
    let again = by_owner.adopt(AdoptOptions::default(), &mut |_| ()).await.unwrap();
    assert_eq!((again.tables["Request"], again.applied.len(), again.missing_row_security), (3, 0, None));
    assert_eq!(by_owner.mark().await.unwrap().unwrap().state, State::Fresh);
}

/// Killed between the marker and the last table: the next deploy forces the remaining policies.
#[tokio::test]
async fn a_killed_end_of_the_adoption_is_taken_up_again() {
    let (database, mut raw, owner) = adopted_by_owner(Cluster::shared().await.unwrap()).await;
    deploy(&database.url()).await;
    raw.run("UPDATE rylie_database SET state = 'fresh'").await;

    deploy(&owner).await;

    assert_eq!(Raw::connect(&owner).await.rows(ROWS).await, Ok(vec![]));
}

#[tokio::test]
async fn the_adoption_is_not_finished_without_the_roles() {
    let cluster = Cluster::private().await.unwrap();
    let (database, _raw, owner) = adopted_by_owner(&cluster).await;

    let refused = migrations(&owner).await.finish_adoption(&mut |_| ()).await;

    assert!(matches!(refused, Err(Error::Refused(Refusal::NoRowSecurity { .. }))), "{refused:?}");
    assert_eq!(migrations(&owner).await.mark().await.unwrap().unwrap().state, State::Coexistence);
    assert_eq!(Raw::connect(&owner).await.rows(ROWS).await.unwrap().len(), 3);
    // A superuser creates the roles and finishes immediately.
    assert!(migrations(&database.url()).await.finish_adoption(&mut |_| ()).await.unwrap());
    assert_eq!(Raw::connect(&owner).await.rows(ROWS).await, Ok(vec![]));
}

/// The old service records an event between the migration that gives it a position and the one that lets it wait.
#[tokio::test]
async fn an_event_of_the_adoption_waits_for_its_seal_at_its_own_position() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    adopt_until(&place.owner, begins("m20261124_000012_create_audit_seals")).await;
    let mut app = Raw::connect(&place.app).await;
    app.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('gap', 'ann', 'x', 'y')").await;

    place.adopt().await;

    let sql = "SELECT (p.position = a.position)::text FROM \"AuditLog\" a JOIN rylie_audit_pending p ON p.record_id = a.id WHERE a.id = 'gap'";
    assert_eq!(Raw::connect(&place.url()).await.rows(sql).await.unwrap(), ["true"]);
}

/// The old service records events all the time. The records of the first adoption come back with their positions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_adoption_gives_no_position_twice() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (url, done) = (place.app.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut app = Raw::connect(&url).await;
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return number;
                    }
                    let event = format!("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('w{writer}-{number}', 'ann', 'x', 'y')");
                    app.run(&event).await;
                }
                0
            })
        })
        .collect();
    place.adopt().await;
    migrations(&place.url()).await.undo_adoption(&mut |_| ()).await.unwrap();

    place.adopt().await;

    done.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 10);
    }
    let mut raw = Raw::connect(&place.url()).await;
    let twice =
        "SELECT position::text FROM \"AuditLog\" WHERE position IS NOT NULL GROUP BY position HAVING count(*) > 1";
    assert_eq!(raw.rows(twice).await, Ok(vec![]));
    let elsewhere = "SELECT a.id FROM \"AuditLog\" a JOIN rylie_audit_pending p ON p.record_id = a.id WHERE p.position <> a.position";
    assert_eq!(raw.rows(elsewhere).await, Ok(vec![]));
}

/// The old service may take a position at any moment, so the sequence must not be set to a value that was read before.
#[tokio::test]
async fn a_second_adoption_leaves_a_sequence_that_is_ahead() {
    const COLUMNS: &str = "m20261124_000011_add_audit_columns";
    const EVENT: &str =
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES (gen_random_uuid()::text, 'ann', 'x', 'y')";
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    place.adopt().await;
    let mut app = Raw::connect(&place.app).await;
    app.run(EVENT).await;
    migrations(&place.owner).await.undo_adoption(&mut |_| ()).await.unwrap();
    let trigger = Arc::new(Mutex::new(String::new()));
    let found = Arc::clone(&trigger);
    adopt_until(&place.owner, move |progress| match progress {
        DeployProgress::Step { migration: COLUMNS, statement, .. }
            if statement.contains("TRIGGER \"AuditLog_position\"") =>
        {
            (*statement).clone_into(&mut found.lock().unwrap());
            true
        }
        _ => false,
    })
    .await;
    let mut owner = Raw::connect(&place.owner).await;
    let statement = trigger.lock().unwrap().clone();
    owner.run(&statement).await;
    app.run(EVENT).await;
    // The server logs values ahead: their end moves when the sequence is set.
    let logged = "SELECT (last_value + log_cnt)::text FROM rylie_audit_position";
    let before = owner.rows(logged).await.unwrap();

    adopt_until(&place.owner, begins("m20261124_000012_create_audit_seals")).await;

    assert_eq!(owner.rows(logged).await.unwrap(), before);
}

/// The comparison of an enumeration is not leakproof, so that row-level security hides its constant from the planner.
#[tokio::test]
async fn the_old_services_lists_by_status_read_an_index_in_its_order() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    let mut raw = Raw::connect(&place.url()).await;
    raw.run(
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"createdAt\", \"updatedAt\") \
         SELECT 'r' || n, 'ann', 'a1', repeat('t', 200), 'd', 'x', now() - n * interval '1 minute', now() FROM generate_series(1, 4000) n; \
         INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"dueDate\", \"updatedAt\") \
         SELECT 't' || n, 'ann', 'r' || n, repeat('t', 200), 'BLOG', now() + n * interval '1 minute', now() FROM generate_series(1, 4000) n",
    )
    .await;
    let lists = [
        "SELECT * FROM \"Request\" WHERE status = 'PENDING' ORDER BY \"createdAt\" DESC LIMIT 20",
        "SELECT * FROM \"Task\" WHERE status = 'PENDING' ORDER BY \"dueDate\" LIMIT 20",
    ];
    place.adopt().await;
    raw.run("ANALYZE").await;

    let mut old_service = Raw::connect(&place.app).await;
    for list in lists {
        let plan = old_service.rows(&format!("EXPLAIN (COSTS OFF) {list}")).await.unwrap().join("\n");
        assert!(plan.contains("Index Scan") && !plan.contains("Sort"), "{plan}");
    }
    let mut owner = migrations(&place.url()).await;
    assert!(owner.drift().await.unwrap().differences.is_empty());
    assert!(owner.finish_adoption(&mut |_| ()).await.unwrap());
    let left = "SELECT relname FROM pg_class WHERE relname ~ '^rylie_coexistence'";
    assert_eq!(raw.rows(left).await, Ok(vec![]));
    assert!(owner.drift().await.unwrap().differences.is_empty());
}

/// The old service's logins have no right on the kept numbers of requests, and every write of theirs succeeds.
#[tokio::test]
async fn the_old_services_requests_are_counted_once_the_adoption_is_finished() {
    let place = of_the_guide(Cluster::shared().await.unwrap()).await;
    place.adopt().await;
    let mut raw = Raw::connect(&place.url()).await;
    let counted = "SELECT sum(requests)::text FROM \"RequestCount\"";
    assert_eq!(raw.rows(counted).await.unwrap(), ["3"]);
    let mut app = Raw::connect(&place.app).await;
    app.run(
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES \
         ('r1', 'ann', 'a1', 't', 'd', 'x', now()), ('r2', 'ann', 'a1', 't', 'd', 'x', now()), ('r3', 'bob', 'a2', 't', 'd', 'x', now())",
    )
    .await;
    app.run("UPDATE \"Request\" SET status = 'COMPLETED' WHERE id = 'r1'").await;
    app.run("DELETE FROM \"Request\" WHERE id = 'r2'").await;
    assert_eq!(raw.rows(counted).await.unwrap(), ["3"]);
    // The owner's requests are counted at once.
    let of_owner = "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES ('r4', 'bob', 'a2', 't', 'd', 'x', now())";
    Raw::connect(&place.owner).await.run(of_owner).await;
    assert_eq!(raw.rows(counted).await.unwrap(), ["4"]);

    assert!(migrations(&place.url()).await.finish_adoption(&mut |_| ()).await.unwrap());

    assert_eq!(raw.rows(counted).await.unwrap(), ["6"]);
    // The end was interrupted before the count: the next call counts.
    raw.run("DELETE FROM \"RequestCount\"").await;
    assert!(!migrations(&place.url()).await.finish_adoption(&mut |_| ()).await.unwrap());
    assert_eq!(raw.rows(counted).await.unwrap(), ["6"]);
    assert_eq!(raw.rows("SELECT rylie_recount_requests()::text").await.unwrap(), ["0"]);
    let completed = "SELECT sum(requests)::text FROM \"RequestCount\" WHERE status = 'COMPLETED'";
    assert_eq!(raw.as_tenant("a1", completed).await.unwrap(), ["1"]);
}
