//! The functions that save a connection use both isolation layers and the tenant's rights only, and leave no state.

use std::time::Duration;

use rylie_db::prelude::*;
use rylie_db::repositories::NewGa4Connection;
use rylie_testkit::World;

use super::protected;
use crate::support::raw::{DENIED, Raw};

const FUNCTIONS: [(&str, &str); 2] = [
    ("rylie_save_ga4_connection", "GA4Connection"),
    ("rylie_save_search_console_connection", "SearchConsoleConnection"),
];

const TYPES: &str = "text, text, text, boolean, text, text, text, timestamp, text, text, timestamp, text";

/// Calls the function for this owner and row. The record's JSON names Bob and his agency.
fn save(function: &str, tenant: &str, (caller, owner): (&str, &str), row: &str) -> String {
    let record = r#"{"id":"l1","userId":"ann","tenantId":"a2","resourceId":"c-bob","action":"CONNECTION_SAVED","resource":"c","createdAt":"2026-01-01"}"#;
    format!(
        "SELECT concat_ws(' ', outcome, (stored).id, (stored).\"userId\", (stored).\"tenantId\") FROM {function}('{tenant}', '{caller}', '{owner}', false, '{row}', 'sealed', NULL, NULL, 'first', NULL, '2026-01-01', '{record}')"
    )
}

async fn saved(raw: &mut Raw, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT concat_ws(' ', id, \"userId\", \"tenantId\") FROM \"{table}\" WHERE \"accessToken\" = 'sealed' \
         UNION ALL SELECT concat_ws(' ', \"tenantId\", \"resourceId\") FROM \"AuditLog\" WHERE id = 'l1'"
    );
    raw.rows(&sql).await.unwrap()
}

#[tokio::test]
async fn a_connection_is_saved_for_the_named_tenant_and_owner_alone() {
    let (_database, mut raw) = protected().await;
    let state = "SELECT concat_ws(' ', current_user, nullif(current_setting('rylie.tenant', true), ''))";
    let before = raw.rows(state).await.unwrap();
    for (function, table) in FUNCTIONS {
        for (tenant, owner, row) in
            [("a1", "bob", "c-bob"), ("a2", "ann", "c-ann"), ("", "ann", "c-ann"), ("a1", "nobody", "x")]
        {
            let saving = save(function, tenant, (owner, owner), row);
            assert_eq!(raw.rows(&saving).await, Ok(vec![]), "{tenant} {owner}");
        }
        // A row of another id, also if that id is another user's.
        for row in ["c-bob", "c-solo", "new"] {
            let saving = save(function, "a1", ("ann", "ann"), row);
            assert_eq!(raw.rows(&saving).await.unwrap(), ["other id c-ann ann a1"], "{row}");
        }
        assert_eq!(saved(&mut raw, table).await, Vec::<String>::new());
        assert_eq!(raw.rows(&save(function, "a1", ("ann", "ann"), "c-ann")).await.unwrap(), ["saved c-ann ann a1"]);
        assert_eq!(saved(&mut raw, table).await, ["c-ann ann a1", "a1 c-ann"]);
        raw.run(&format!("DELETE FROM \"{table}\" WHERE id = 'c-ann'; DELETE FROM rylie_audit_pending; ALTER TABLE \"AuditLog\" DISABLE TRIGGER USER; DELETE FROM \"AuditLog\" WHERE id = 'l1'; ALTER TABLE \"AuditLog\" ENABLE TRIGGER USER")).await;

        // Without a row, an id that another tenant's row has looks like a free one, and is not taken.
        assert_eq!(raw.rows(&save(function, "a1", ("ann", "ann"), "c-bob")).await.unwrap(), ["taken"]);
        assert_eq!(saved(&mut raw, table).await, Vec::<String>::new());
        assert_eq!(raw.rows(&save(function, "a1", ("ann", "ann"), "new")).await.unwrap(), ["saved new ann a1"]);
        assert_eq!(saved(&mut raw, table).await, ["new ann a1", "a1 new"]);
        raw.run("DELETE FROM rylie_audit_pending; ALTER TABLE \"AuditLog\" DISABLE TRIGGER USER; DELETE FROM \"AuditLog\" WHERE id = 'l1'; ALTER TABLE \"AuditLog\" ENABLE TRIGGER USER").await;
        assert_eq!(raw.rows(state).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_login_that_may_not_take_the_role_saves_nothing() {
    let (database, mut raw) = protected().await;
    let stranger = format!("{}_saver", database.name());
    raw.run(&format!("CREATE ROLE {stranger} LOGIN; GRANT ALL ON \"User\", \"GA4Connection\", \"SearchConsoleConnection\", \"AuditLog\" TO {stranger}")).await;
    let mut stranger = Raw::connect(&database.url_as(&stranger)).await;

    for (function, table) in FUNCTIONS {
        let saving = save(function, "a1", ("ann", "ann"), "c-ann");
        assert_eq!(stranger.rows(&saving).await, Err(DENIED.to_owned()));
        assert_eq!(saved(&mut raw, table).await, Vec::<String>::new());
    }
}

/// Without its own conditions the policies still apply, and without the policies its conditions do.
#[tokio::test]
async fn either_layer_alone_refuses_to_save_for_another_tenants_user() {
    for (function, table) in FUNCTIONS {
        let (_database, mut raw) = protected().await;
        raw.run(&format!(
            "ALTER TABLE \"User\" DISABLE ROW LEVEL SECURITY; ALTER TABLE \"{table}\" DISABLE ROW LEVEL SECURITY"
        ))
        .await;
        assert_eq!(raw.rows(&save(function, "a1", ("bob", "bob"), "c-bob")).await, Ok(vec![]));
        let other_row = raw.rows(&save(function, "a1", ("ann", "ann"), "c-bob")).await;
        assert_eq!(other_row.unwrap(), ["other id c-ann ann a1"]);
        assert_eq!(saved(&mut raw, table).await, Vec::<String>::new());

        raw.run(&format!(
            "ALTER TABLE \"User\" ENABLE ROW LEVEL SECURITY; ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY"
        ))
        .await;
        raw.run(&format!(
            "DO $do$ DECLARE body text := pg_get_functiondef('{function}({TYPES})'::regprocedure); BEGIN \
             IF position('u.\"tenantId\" = tenant' IN body) = 0 OR position('c.\"tenantId\" = tenant' IN body) = 0 THEN RAISE 'no condition'; END IF; \
             EXECUTE replace(replace(replace(body, 'u.\"tenantId\" = tenant', 'true'), 'c.\"tenantId\" = tenant', 'true'), 'c.\"userId\" = owner', 'true'); END $do$"
        ))
        .await;
        assert_eq!(raw.rows(&save(function, "a1", ("bob", "bob"), "c-bob")).await, Ok(vec![]));
        let other_row = raw.rows(&save(function, "a1", ("ann", "ann"), "c-bob")).await;
        assert_eq!(other_row.unwrap(), ["other id c-ann ann a1"]);
        assert_eq!(saved(&mut raw, table).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn every_column_of_a_connection_and_a_record_is_saved() {
    let (_database, mut raw) = protected().await;
    for (function, table) in FUNCTIONS {
        let missing = format!(
            "SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c \
             WHERE c.table_schema = 'public' AND c.table_name IN ('{table}', 'AuditLog') AND c.column_name NOT IN ('id', 'position') \
             AND position(format('\"%s\"', c.column_name) IN pg_get_functiondef('{function}({TYPES})'::regprocedure)) = 0 ORDER BY 1"
        );
        assert_eq!(raw.rows(&missing).await, Ok(vec![]));
    }
}

#[tokio::test]
async fn a_column_that_is_added_or_dropped_beside_an_open_connection_does_no_harm_to_a_save() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let database = world.connect_again(1).await.unwrap();
    let mut raw = Raw::connect(world.url()).await;

    for change in ["", "ADD COLUMN live jsonb DEFAULT '{}'", "DROP COLUMN live", "ADD COLUMN live text"] {
        if !change.is_empty() {
            raw.run(&format!("ALTER TABLE \"GA4Connection\" {change}")).await;
        }
        for removed in [false, true] {
            if removed {
                raw.run("DELETE FROM \"GA4Connection\"").await;
            }
            let new = NewGa4Connection::new("token".into());
            let saved = database.store().save_ga4_connection(&agency.scope(), new).await.unwrap();
            let found = agency.unit().await.unwrap().ga4_connections().find(&saved.user_id).await.unwrap();
            assert_eq!(found, Some(saved), "{change}");
        }
    }
}

#[tokio::test]
async fn neither_the_activity_of_the_server_nor_an_error_shows_a_token() {
    let world = World::postgres().await.unwrap();
    let agency = world.agency().await.unwrap();
    let store = world.store();
    store.save_ga4_connection(&agency.scope(), NewGa4Connection::new("canary".into())).await.unwrap();
    let (mut locking, mut watching) = (Raw::connect(world.url()).await, Raw::connect(world.url()).await);
    locking.run("BEGIN; SELECT id FROM \"GA4Connection\" FOR UPDATE").await;
    let scope = agency.scope();
    let new = NewGa4Connection { property_name: Some("canary".to_owned()), ..NewGa4Connection::new("canary".into()) };

    let (saved, shown) = tokio::join!(store.save_ga4_connection(&scope, new), async {
        let activity =
            "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut shown = Vec::new();
        while shown.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
            shown = watching.rows(activity).await.unwrap();
        }
        locking.run("ROLLBACK").await;
        shown
    });

    let token = saved.unwrap().access_token;
    assert_eq!(shown.len(), 1);
    assert!(shown[0].contains("rylie_save_ga4_connection($1"), "{shown:?}");
    for secret in ["canary", "rylie1.", token.stored()] {
        assert!(!shown[0].contains(secret), "{shown:?}");
    }
}
