//! Units assume their database role, and leave no state of it.

use std::sync::Arc;

use rylie_db::prelude::*;
use rylie_testkit::{TestAgency, World};

use crate::support::raw::Raw;

/// Records at each insert the current role and tenant.
const WITNESS: &str = "CREATE TABLE witness (who text); GRANT INSERT ON witness TO PUBLIC; \
     CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO witness VALUES (concat_ws(' ', TG_TABLE_NAME, current_user, nullif(current_setting('rylie.tenant', true), ''))); RETURN NULL; END $$; \
     CREATE TRIGGER witness AFTER INSERT ON \"Agency\" FOR EACH ROW EXECUTE FUNCTION witness(); \
     CREATE TRIGGER witness AFTER INSERT ON \"Session\" FOR EACH ROW EXECUTE FUNCTION witness(); \
     CREATE TRIGGER witness AFTER INSERT ON \"Request\" FOR EACH ROW EXECUTE FUNCTION witness()";

#[tokio::test]
async fn every_unit_runs_in_the_role_of_its_kind() {
    let world = World::postgres().await.unwrap();
    let mut raw = Raw::connect(world.url()).await;
    raw.run(WITNESS).await;

    let agency = world.agency().await.unwrap();
    agency.request().await.unwrap();

    let seen = raw.rows("SELECT who FROM witness").await.unwrap();
    let tenant = &agency.agency.id;
    assert_eq!(seen, ["Agency rylie_platform", "Session rylie_identity", &format!("Request rylie_tenant {tenant}")]);
}

/// Opens a store with one connection, so that each unit inherits that of the previous one.
async fn one_connection(world: &World) -> Arc<dyn Store> {
    let config = Config::builder().set("database_url", world.url()).unwrap().set("max_connections", 1).unwrap();
    Database::connect(config.build().unwrap()).await.unwrap().store()
}

async fn sees_its_own(store: &Arc<dyn Store>, agency: &TestAgency<'_>) {
    let unit = store.tenant(&agency.scope()).await.unwrap();
    let list = unit.requests().list(RequestFilter::default(), PageRequest::default()).await.unwrap();
    assert!(!list.items.is_empty());
    assert!(list.items.iter().all(|request| request.tenant_id.as_str() == agency.agency.id.as_str()));
}

fn new_request() -> NewRequest {
    NewRequest::new("t", RequestKind::Page)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_role_and_no_tenant_outlives_its_unit() {
    let world = World::postgres().await.unwrap();
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    ours.request().await.unwrap();
    theirs.request().await.unwrap();
    let mut raw = Raw::connect(world.url()).await;
    raw.run(WITNESS).await;
    let store = one_connection(&world).await;

    // Committed.
    let unit = store.tenant(&ours.scope()).await.unwrap();
    unit.requests().add(new_request()).await.unwrap();
    unit.commit().await.unwrap();
    sees_its_own(&store, &theirs).await;
    // Dropped.
    let unit = store.tenant(&ours.scope()).await.unwrap();
    unit.requests().add(new_request()).await.unwrap();
    drop(unit);
    sees_its_own(&store, &theirs).await;
    // Panicked.
    let (other, scope) = (Arc::clone(&store), ours.scope());
    let panicked = tokio::spawn(async move {
        let unit = other.tenant(&scope).await.unwrap();
        unit.requests().add(new_request()).await.unwrap();
        panic!("in the middle of a unit");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    sees_its_own(&store, &theirs).await;
    // Cancelled at varying points.
    for micros in (0..3_000).step_by(150) {
        let work = async {
            let unit = store.tenant(&ours.scope()).await.unwrap();
            unit.requests().add(new_request()).await.unwrap();
            std::future::pending::<()>().await;
        };
        let limit = std::time::Duration::from_micros(micros);
        assert!(tokio::time::timeout(limit, work).await.is_err());
        sees_its_own(&store, &theirs).await;
    }
    // By the other kinds of units.
    drop(store.identity().await.unwrap());
    drop(store.platform(Grant::job("test", "to test").unwrap()).await.unwrap());
    sees_its_own(&store, &theirs).await;
    let unit = store.tenant(&theirs.scope()).await.unwrap();
    unit.requests().add(new_request()).await.unwrap();
    unit.commit().await.unwrap();

    let of = |agency: &TestAgency<'_>| format!("Request rylie_tenant {}", agency.agency.id);
    assert_eq!(raw.rows("SELECT who FROM witness").await.unwrap(), [of(&ours), of(&theirs)]);
}

#[tokio::test]
async fn a_unit_that_begins_with_its_first_statement_has_its_role_and_tenant_in_it() {
    let world = World::postgres().await.unwrap();
    let (ours, theirs) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let requests = [ours.request().await.unwrap().id, theirs.request().await.unwrap().id];
    let mut raw = Raw::connect(world.url()).await;
    raw.run(WITNESS).await;
    raw.run("CREATE TRIGGER changed AFTER UPDATE ON \"Request\" FOR EACH ROW EXECUTE FUNCTION witness()").await;
    let store = one_connection(&world).await;

    for (number, agency) in [(0, &ours), (1, &theirs), (0, &ours)] {
        let unit = store.tenant(&agency.scope()).read_only().deferred().await.unwrap();
        assert_eq!(unit.requests().find(&requests[1 - number]).await.unwrap(), None);
        assert_eq!(unit.requests().get(&requests[number]).await.unwrap().id, requests[number]);
        drop(unit);
        let unit = store.tenant(&agency.scope()).deferred().await.unwrap();
        let foreign = unit.requests().set_status(&requests[1 - number], RequestStatus::Cancelled).await;
        assert!(matches!(foreign, Err(rylie_db::repositories::Error::NotFound { .. })));
        drop(unit);
        let unit = store.tenant(&agency.scope()).deferred().await.unwrap();
        let status = [RequestStatus::InProgress, RequestStatus::Completed][usize::from(number == 0)];
        unit.requests().set_status(&requests[number], status).await.unwrap();
        unit.commit().await.unwrap();
    }

    let (one, other) = (&ours.agency.id, &theirs.agency.id);
    let seen = raw.rows("SELECT who FROM witness").await.unwrap();
    assert_eq!(seen, [format!("Request rylie_tenant {one}"), format!("Request rylie_tenant {other}")]);
}

#[tokio::test]
async fn the_sign_in_function_reads_under_the_identity_role_and_leaves_no_state() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let unit = world.store().identity().await.unwrap();
    let expires = world.env().now() + chrono::TimeDelta::hours(1);
    let token = unit.sessions().begin(&agency.admin.user.id, expires).await.unwrap();
    unit.commit().await.unwrap();
    let mut raw = Raw::connect(world.url()).await;
    let call = |token: &str| format!("SELECT id FROM rylie_session('{token}', '2000-01-01')");
    let state = "SELECT concat_ws(' ', current_user, nullif(current_setting('rylie.tenant', true), ''))";
    let before = raw.rows(state).await.unwrap();

    assert_eq!(raw.rows(&call(token.expose())).await.unwrap(), [agency.admin.user.id.to_string()]);
    assert_eq!(raw.rows(&call("unknown")).await.unwrap(), Vec::<String>::new());
    assert_eq!(raw.rows(state).await.unwrap(), before);
}
