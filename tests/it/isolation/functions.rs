//! The functions that read by id use both isolation layers and the tenant's rights only, and leave no state.

use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;
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
    let sign_in = "SELECT id FROM rylie_session('any', '2000-01-01')";
    assert_eq!(stranger.rows(sign_in).await, Err(DENIED.to_owned()));
    assert_eq!(stranger.rows(&add("a1", "ann", "ann")).await, Err(DENIED.to_owned()));
    let hold = "SELECT rylie_hold_session('any', 'any', 'ann', 'USER', NULL, 'a1', '2000-01-01')";
    assert_eq!(stranger.rows(hold).await, Err(DENIED.to_owned()));
    let recount = "SELECT rylie_recount_requests()";
    assert_eq!(stranger.rows(recount).await, Err(DENIED.to_owned()));
}

/// Each value of the check is one that the session's row and its user's must have.
#[tokio::test]
async fn a_session_holds_only_for_its_token_its_time_and_its_user_as_the_user_is() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let (ann, other) = (agency.user().await.unwrap(), agency.user().await.unwrap());
    let mut raw = Raw::connect(world.url()).await;
    let digest = async |raw: &mut Raw, token: &str| {
        raw.rows(&format!("SELECT encode(sha256('{token}'::bytea), 'hex')")).await.unwrap().remove(0)
    };
    let (hers, others) = (digest(&mut raw, ann.session.expose()).await, digest(&mut raw, other.session.expose()).await);
    let (user, agency) = (ann.user.id.to_string(), agency.agency.id.to_string());
    let (role, at) = ("USER".to_owned(), "2000-01-01".to_owned());
    let session = async |raw: &mut Raw, token: &str| {
        raw.rows(&format!("SELECT id FROM \"Session\" WHERE \"sessionToken\" = '{token}'")).await.unwrap().remove(0)
    };
    let (id, other_id) =
        (session(&mut raw, ann.session.expose()).await, session(&mut raw, other.session.expose()).await);
    let holds = [&id, &hers, &user, &role, &agency, &agency, &at].map(Clone::clone);
    let call = |[session, digest, user, role, agency, tenant, at]: &[String; 7]| {
        format!(
            "SELECT rylie_hold_session('{session}', '{digest}', '{user}', '{role}', nullif('{agency}', ''), '{tenant}', '{at}')::text"
        )
    };
    let state = "SELECT concat_ws(' ', current_user, nullif(current_setting('rylie.tenant', true), ''))";
    let before = raw.rows(state).await.unwrap();
    assert_eq!(raw.rows(&call(&holds)).await, Ok(vec![String::new()]));

    let wrong = [
        (0, vec![other_id, String::new()]),
        (1, vec![others, String::new(), hers.to_uppercase()]),
        (2, vec![other.user.id.to_string(), String::new()]),
        (3, vec!["AGENCY_ADMIN".to_owned(), "SUPER_ADMIN".to_owned(), String::new()]),
        (4, vec![String::new(), "another".to_owned()]),
        (5, vec![String::new(), "another".to_owned(), user]),
        (6, vec!["2999-01-01".to_owned(), "infinity".to_owned()]),
    ];
    for (place, values) in wrong {
        for value in values {
            let mut call_of = holds.clone();
            call_of[place] = value;
            assert_eq!(raw.rows(&call(&call_of)).await, Err("RY401".to_owned()), "{call_of:?}");
        }
    }
    assert_eq!(raw.rows(state).await.unwrap(), before);
}

/// Calls the function that adds a request of this owner. Its JSON names Bob and his agency.
fn add(tenant: &str, caller: &str, owner: &str) -> String {
    let request = r#"{"id":"q1","userId":"bob","tenantId":"a2","agencyId":"a1","title":"t","description":"","type":"page","priority":"LOW","status":"PENDING","pagesCompleted":0,"blogsCompleted":0,"gbpPostsCompleted":0,"improvementsCompleted":0,"createdAt":"2026-01-01","updatedAt":"2026-01-01","deleted":false}"#;
    let task = r#"[{"id":"k1","userId":"bob","tenantId":"a2","requestId":"r-bob","title":"t","type":"PAGE","status":"PENDING","priority":"LOW","createdAt":"2026-01-01","updatedAt":"2026-01-01","deleted":false}]"#;
    let record = r#"{"id":"l1","userId":"ann","tenantId":"a2","resourceId":"r-bob","action":"REQUEST_CREATED","resource":"Request","createdAt":"2026-01-01"}"#;
    format!(
        "SELECT id FROM rylie_add_request('{tenant}', '{caller}', '{owner}', false, '{request}', '{task}', '{record}')"
    )
}

const ADDED: &str = "SELECT concat_ws(' ', \"userId\", \"tenantId\") FROM \"Request\" WHERE id = 'q1' \
                     UNION ALL SELECT concat_ws(' ', \"userId\", \"tenantId\", \"requestId\") FROM \"Task\" WHERE id = 'k1' \
                     UNION ALL SELECT concat_ws(' ', \"tenantId\", \"resourceId\") FROM \"AuditLog\" WHERE id = 'l1'";

#[tokio::test]
async fn a_request_is_added_to_the_named_tenant_and_owner_whatever_its_json_says() {
    let (_database, mut raw) = protected().await;
    let state = "SELECT concat_ws(' ', current_user, nullif(current_setting('rylie.tenant', true), ''))";
    let before = raw.rows(state).await.unwrap();

    for (tenant, owner) in [("a1", "bob"), ("a2", "ann"), ("", "ann"), ("a1", "nobody")] {
        assert_eq!(raw.rows(&add(tenant, owner, owner)).await, Ok(vec![]), "{tenant} {owner}");
    }
    assert_eq!(raw.rows(ADDED).await, Ok(vec![]));
    assert_eq!(raw.rows(&add("a1", "ann", "ann")).await.unwrap(), ["ann"]);

    assert_eq!(raw.rows(ADDED).await.unwrap(), ["ann a1", "ann a1 q1", "a1 q1"]);
    assert_eq!(raw.rows(state).await.unwrap(), before);
}

/// Without its own conditions the policies still apply, and without the policies its conditions do.
#[tokio::test]
async fn either_layer_alone_refuses_a_request_for_another_tenants_user() {
    let (_database, mut raw) = protected().await;
    raw.run("ALTER TABLE \"User\" DISABLE ROW LEVEL SECURITY; ALTER TABLE \"Request\" DISABLE ROW LEVEL SECURITY; ALTER TABLE \"Task\" DISABLE ROW LEVEL SECURITY").await;
    assert_eq!(raw.rows(&add("a1", "bob", "bob")).await, Ok(vec![]));
    assert_eq!(raw.rows(ADDED).await, Ok(vec![]));

    raw.run("ALTER TABLE \"User\" ENABLE ROW LEVEL SECURITY; ALTER TABLE \"Request\" ENABLE ROW LEVEL SECURITY; ALTER TABLE \"Task\" ENABLE ROW LEVEL SECURITY").await;
    raw.run(
        "DO $do$ DECLARE body text := pg_get_functiondef('rylie_add_request(text, text, text, boolean, text, text, text)'::regprocedure); BEGIN \
         IF position('u.\"tenantId\" = tenant' IN body) = 0 THEN RAISE 'no condition'; END IF; \
         EXECUTE replace(body, 'u.\"tenantId\" = tenant', 'true'); END $do$",
    )
    .await;
    assert_eq!(raw.rows(&add("a1", "bob", "bob")).await, Ok(vec![]));
    assert_eq!(raw.rows(ADDED).await, Ok(vec![]));
}

#[tokio::test]
async fn every_column_of_a_request_a_task_and_a_record_can_be_added() {
    let (_database, mut raw) = protected().await;
    let missing = "SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c \
                   WHERE c.table_schema = 'public' AND c.table_name IN ('Request', 'Task', 'AuditLog') AND position(format('\"%s\" ', c.column_name) \
                   IN pg_get_functiondef('rylie_add_request(text, text, text, boolean, text, text, text)'::regprocedure)) = 0 \
                   AND c.column_name NOT IN ('tenantId', 'userId', 'requestId', 'resourceId', 'position') ORDER BY 1";
    assert_eq!(raw.rows(missing).await, Ok(vec![]));
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
    raw.run("DROP FUNCTION rylie_requests_by_id, rylie_tasks_by_id, rylie_add_request, rylie_hold_session, rylie_save_ga4_connection, rylie_save_search_console_connection, rylie_set_request_status, rylie_recount_requests").await;
    let database = world.connect_again(1).await.unwrap();

    let unit = database.store().tenant(&agency.scope()).read_only().autocommit().await.unwrap();

    assert_eq!(unit.requests().get(&request.id).await.unwrap(), request);
    drop(unit);
    let new = NewRequest::new("t", RequestKind::Page);
    let made = database.store().add_request(&agency.scope(), new, Vec::new()).await.unwrap();
    assert_eq!(agency.unit().await.unwrap().requests().get(&made.request.id).await.unwrap(), made.request);
    let unit = database.store().tenant(&agency.scope()).read_only().autocommit().await.unwrap();
    let page = unit.requests().list(RequestFilter::default(), PageRequest::new(1, 0)).await.unwrap();
    assert_eq!(page.total, 2);
    drop(unit);
    for _ in 0..2 {
        let get = async |unit: TenantAccess| unit.requests().get(&request.id).await;
        assert_eq!(database.store().read_as(&agency.admin.session, Origin::default(), get).await.unwrap(), request);
    }
    let status = RequestStatus::Completed;
    let changed = database.store().set_request_status(&agency.scope(), &request.id, status).await.unwrap();
    assert_eq!(agency.unit().await.unwrap().requests().get(&request.id).await.unwrap(), changed);
    let saved = database.store().save_ga4_connection(&agency.scope(), NewGa4Connection::new("token".into())).await;
    let saved = saved.unwrap();
    assert_eq!(agency.unit().await.unwrap().ga4_connections().find(&saved.user_id).await.unwrap(), Some(saved));
}

/// Every login may create temporary tables, and so triggers that call a function with rows of its choice.
#[tokio::test]
async fn no_other_table_gets_a_trigger_that_has_the_owners_rights() {
    let (database, mut raw) = protected().await;
    let stranger = format!("{}_trigger", database.name());
    raw.run(&format!("CREATE ROLE {stranger} LOGIN")).await;
    // The old service's functions have the owner's rights during the coexistence.
    let functions = raw
        .rows(
            "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
             AND prorettype = 'trigger'::regtype AND (prosecdef OR proname ~ '^rylie_tenant_(from_|of_auditlog)') ORDER BY 1",
        )
        .await
        .unwrap();
    let mut stranger = Raw::connect(&database.url_as(&stranger)).await;
    stranger.run("CREATE TEMP TABLE own (id text, position bigint)").await;

    assert!(functions.len() >= 5, "{functions:?}");
    for function in functions {
        let trigger = format!("CREATE TRIGGER own BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION {function}");
        assert_eq!(stranger.rows(&trigger).await, Err(DENIED.to_owned()), "{function}");
    }
}
