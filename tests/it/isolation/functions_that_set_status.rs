//! The function that changes a status uses both isolation layers and the tenant's rights only, and leaves no state.

use rylie_db::prelude::*;
use rylie_testkit::World;

use super::protected;
use crate::support::raw::{DENIED, Raw};

const SIGNATURE: &str = "rylie_set_request_status(text, text, boolean, text, text, timestamp, text)";

/// Calls the function for this request. The record's JSON names Bob and his agency.
fn set(tenant: &str, (caller, only_own): (&str, bool), request: &str) -> String {
    let record = r#"{"id":"l1","userId":"ann","tenantId":"a2","resourceId":"r-bob","action":"REQUEST_STATUS_CHANGED","resource":"Request","createdAt":"2026-01-01"}"#;
    format!(
        "SELECT concat_ws(' ', id, status) FROM rylie_set_request_status('{tenant}', '{caller}', {only_own}, '{request}', 'CANCELLED', '2026-01-01', '{record}')"
    )
}

async fn changed(raw: &mut Raw) -> Vec<String> {
    let sql = "SELECT id FROM \"Request\" WHERE status::text = 'CANCELLED' \
               UNION ALL SELECT concat_ws(' ', \"tenantId\", \"resourceId\") FROM \"AuditLog\" WHERE id = 'l1'";
    raw.rows(sql).await.unwrap()
}

#[tokio::test]
async fn a_status_is_changed_for_the_named_tenant_alone_also_by_a_superuser() {
    let (_database, mut raw) = protected().await;
    let state = "SELECT concat_ws(' ', current_user, nullif(current_setting('rylie.tenant', true), ''))";
    let before = raw.rows(state).await.unwrap();
    for (tenant, caller, request) in [
        ("a1", ("ann", false), "r-bob"),
        ("a2", ("ann", false), "r-ann"),
        ("", ("ann", false), "r-ann"),
        ("a1", ("other", true), "r-ann"),
        ("a1", ("ann", false), "none"),
    ] {
        let found = raw.rows(&set(tenant, caller, request)).await;
        assert_eq!(found, Ok(vec![]), "{tenant} {caller:?} {request}");
    }
    assert_eq!(changed(&mut raw).await, Vec::<String>::new());

    assert_eq!(raw.rows(&set("a1", ("ann", true), "r-ann")).await.unwrap(), ["r-ann CANCELLED"]);

    assert_eq!(changed(&mut raw).await, ["r-ann", "a1 r-ann"]);
    // The same record again would fail; a status that holds is not recorded.
    assert_eq!(raw.rows(&set("a1", ("ann", true), "r-ann")).await.unwrap(), ["r-ann CANCELLED"]);
    assert_eq!(raw.rows(state).await.unwrap(), before);
}

#[tokio::test]
async fn a_login_that_may_not_take_the_role_changes_nothing() {
    let (database, mut raw) = protected().await;
    let stranger = format!("{}_setter", database.name());
    raw.run(&format!("CREATE ROLE {stranger} LOGIN; GRANT ALL ON \"Request\", \"AuditLog\" TO {stranger}")).await;
    let mut stranger = Raw::connect(&database.url_as(&stranger)).await;

    assert_eq!(stranger.rows(&set("a1", ("ann", false), "r-ann")).await, Err(DENIED.to_owned()));
    assert_eq!(changed(&mut raw).await, Vec::<String>::new());
}

/// Without its own conditions the policies still apply, and without the policies its conditions do.
#[tokio::test]
async fn either_layer_alone_refuses_another_tenants_request() {
    let (_database, mut raw) = protected().await;
    raw.run("ALTER TABLE \"Request\" DISABLE ROW LEVEL SECURITY").await;
    assert_eq!(raw.rows(&set("a1", ("ann", false), "r-bob")).await, Ok(vec![]));
    assert_eq!(changed(&mut raw).await, Vec::<String>::new());

    raw.run("ALTER TABLE \"Request\" ENABLE ROW LEVEL SECURITY").await;
    raw.run(&format!(
        "DO $do$ DECLARE body text := pg_get_functiondef('{SIGNATURE}'::regprocedure); BEGIN \
         IF position('r.\"tenantId\" = tenant' IN body) = 0 THEN RAISE 'no condition'; END IF; \
         EXECUTE replace(body, 'r.\"tenantId\" = tenant', 'true'); END $do$"
    ))
    .await;
    assert_eq!(raw.rows(&set("a1", ("ann", false), "r-bob")).await, Ok(vec![]));
    assert_eq!(changed(&mut raw).await, Vec::<String>::new());
}

/// Columns of another service, and an operator of an enum in the open schema, are neither read nor called.
#[tokio::test]
async fn columns_and_operators_of_others_do_no_harm() {
    let (_database, mut raw) = protected().await;
    for column in ["tenant", "caller", "only_own", "request_id", "new_status", "changed_at", "record", "attempt"] {
        raw.run(&format!(
            "ALTER TABLE \"Request\" ADD COLUMN {column} text; ALTER TABLE \"AuditLog\" ADD COLUMN {column} text"
        ))
        .await;
    }
    raw.run(
        "CREATE FUNCTION trap(a \"RequestStatus\", b \"RequestStatus\") RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'called'; END $$; \
         CREATE OPERATOR public.<> (LEFTARG = \"RequestStatus\", RIGHTARG = \"RequestStatus\", FUNCTION = trap); \
         CREATE OPERATOR public.= (LEFTARG = \"RequestStatus\", RIGHTARG = \"RequestStatus\", FUNCTION = trap)",
    )
    .await;

    for _ in 0..2 {
        assert_eq!(raw.rows(&set("a1", ("ann", true), "r-ann")).await.unwrap(), ["r-ann CANCELLED"]);
    }
    assert_eq!(changed(&mut raw).await, ["r-ann", "a1 r-ann"]);
}

/// The request is deleted and restored again and again. The call changes it or does not find it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_comes_back_has_the_status_or_is_not_found() {
    let (database, mut raw) = protected().await;
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut other = Raw::connect(&database.url()).await;
        others.push(tokio::spawn(async move {
            for _ in 0..400 {
                for change in ["deleted = true, \"deletedAt\" = now()", "deleted = false, \"deletedAt\" = NULL"] {
                    other.run(&format!("UPDATE \"Request\" SET {change} WHERE id = 'r-ann'")).await;
                }
            }
        }));
    }
    let mut turn = 0;
    while !others.iter().all(tokio::task::JoinHandle::is_finished) {
        raw.run("UPDATE \"Request\" SET status = 'PENDING' WHERE id = 'r-ann'").await;
        turn += 1;
        let call = set("a1", ("ann", true), "r-ann").replace("\"id\":\"l1\"", &format!("\"id\":\"l{turn}\""));
        let found = raw.rows(&call).await.unwrap();
        assert!(found.is_empty() || found == ["r-ann CANCELLED"], "{found:?}");
    }
    assert!(turn > 10, "{turn}");
}

#[tokio::test]
async fn every_column_of_a_record_is_written() {
    let (_database, mut raw) = protected().await;
    let missing = format!(
        "SELECT c.column_name FROM information_schema.columns c \
         WHERE c.table_schema = 'public' AND c.table_name = 'AuditLog' AND c.column_name <> 'position' \
         AND position(format('\"%s\"', c.column_name) IN pg_get_functiondef('{SIGNATURE}'::regprocedure)) = 0 ORDER BY 1"
    );
    assert_eq!(raw.rows(&missing).await, Ok(vec![]));
}

#[tokio::test]
async fn a_column_that_is_added_or_dropped_beside_an_open_connection_does_no_harm_to_a_change() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let id = agency.request().await.unwrap().id;
    let database = world.connect_again(1).await.unwrap();
    let mut raw = Raw::connect(world.url()).await;

    for change in ["", "ADD COLUMN live jsonb DEFAULT '{}'", "DROP COLUMN live", "ADD COLUMN live text"] {
        if !change.is_empty() {
            raw.run(&format!("ALTER TABLE \"Request\" {change}")).await;
        }
        for status in [RequestStatus::Completed, RequestStatus::Completed, RequestStatus::InProgress] {
            let changed = database.store().set_request_status(&agency.scope(), &id, status).await.unwrap();
            let found = agency.unit().await.unwrap().requests().get(&id).await.unwrap();
            assert_eq!((found.status, found), (status, changed), "{change}");
        }
    }
}
