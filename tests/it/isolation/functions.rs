//! The functions that read by id use both isolation layers and the tenant's rights only, and leave no state.

use rylie_db::prelude::*;
use rylie_testkit::World;

use super::protected;
use crate::support::raw::{DENIED, Raw};

const READ: &str = "SELECT t.id FROM rylie_requests_by_id('a1', ARRAY['r-ann', 'r-bob']) t";

#[tokio::test]
async fn rows_of_the_named_tenant_alone_are_read_also_by_a_superuser() {
    let (_database, mut raw) = protected().await;

    assert_eq!(raw.rows(READ).await.unwrap(), ["r-ann"]);
    assert_eq!(raw.rows("SELECT t.id FROM rylie_requests_by_id('', ARRAY['r-ann']) t").await, Ok(vec![]));
    assert_eq!(raw.rows("SELECT t.id FROM rylie_requests_by_id(NULL, ARRAY['r-ann']) t").await, Ok(vec![]));
    assert_eq!(raw.rows("SELECT t.id FROM rylie_requests_by_id('a1', NULL) t").await, Ok(vec![]));
    // Even without its own condition, the policy still applies.
    raw.run(
        "CREATE OR REPLACE FUNCTION rylie_requests_by_id(tenant text, ids text[]) RETURNS SETOF \"Request\" LANGUAGE plpgsql \
         AS $$ BEGIN PERFORM set_config('role', 'rylie_tenant', true), set_config('rylie.tenant', tenant, true); \
         RETURN QUERY SELECT * FROM \"Request\"; END $$",
    )
    .await;
    let unread = "SELECT t.id FROM rylie_requests_by_id('a1', ARRAY['x']) t ORDER BY t.id";
    assert_eq!(raw.rows(unread).await, raw.as_tenant("a1", "SELECT id FROM \"Request\" ORDER BY id").await);
}

#[tokio::test]
async fn neither_role_nor_tenant_outlives_the_call() {
    let (_database, mut raw) = protected().await;
    let state = "SELECT concat_ws(' ', current_user, nullif(current_setting('rylie.tenant', true), ''), current_setting('plan_cache_mode'))";
    let before = raw.rows(state).await.unwrap();

    raw.rows(READ).await.unwrap();
    assert_eq!(raw.rows(state).await.unwrap(), before);
    let failing = "SELECT 1 / (count(*) - 1) FROM rylie_requests_by_id('a1', ARRAY['r-ann']) t";
    assert_eq!(raw.rows(failing).await, Err("22012".to_owned()));
    assert_eq!(raw.rows(state).await.unwrap(), before);
}

#[tokio::test]
async fn a_login_that_may_not_take_the_role_reads_nothing_through_them() {
    let (database, mut raw) = protected().await;
    let stranger = format!("{}_stranger", database.name());
    raw.run(&format!("CREATE ROLE {stranger} LOGIN; GRANT SELECT ON \"Request\" TO {stranger}")).await;
    let mut stranger = Raw::connect(&database.url_as(&stranger)).await;

    assert_eq!(stranger.rows(READ).await, Err(DENIED.to_owned()));
    let sign_in = "SELECT id FROM rylie_signed_in('any', '2000-01-01')";
    assert_eq!(stranger.rows(sign_in).await, Err(DENIED.to_owned()));
}

#[tokio::test]
async fn a_column_that_is_added_or_dropped_beside_an_open_connection_does_no_harm() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let database = world.connect_again(1).await.unwrap();
    let mut raw = Raw::connect(world.url()).await;
    let read = async || {
        let unit = database.store().tenant(&agency.scope()).read_only().autocommit().await.unwrap();
        unit.requests().get(&request.id).await.unwrap()
    };

    for change in ["", "ADD COLUMN live jsonb DEFAULT '{}'", "DROP COLUMN live", "ADD COLUMN live text"] {
        if !change.is_empty() {
            raw.run(&format!("ALTER TABLE \"Request\" {change}")).await;
        }
        for _ in 0..3 {
            assert_eq!(read().await, request, "{change}");
        }
    }
}

#[tokio::test]
async fn without_the_functions_a_transaction_serves() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let request = agency.request().await.unwrap();
    let mut raw = Raw::connect(world.url()).await;
    raw.run("DROP FUNCTION rylie_requests_by_id, rylie_tasks_by_id").await;
    let database = world.connect_again(1).await.unwrap();

    let unit = database.store().tenant(&agency.scope()).read_only().autocommit().await.unwrap();

    assert_eq!(unit.requests().get(&request.id).await.unwrap(), request);
}
