//! Row-level security alone: SQL without a tenant condition, in the tenant role.
//!
//! A session that can send any SQL can also assume another role (`RESET ROLE`, `SET ROLE rylie_platform`). This layer
//! protects against a wrong query of ours, not against a stranger's SQL. No unit therefore takes SQL.

use super::{TABLES, protected};
use crate::support::raw::{DENIED, Raw};

/// Lists the tables that show a tenant foreign rows, or hide its own.
async fn leaks(raw: &mut Raw) -> Vec<&'static str> {
    let mut leaking = Vec::new();
    for table in TABLES {
        // The role has no right on accounts and sessions; if a later change grants one, the policy applies.
        raw.run(&format!("BEGIN; GRANT SELECT ON \"{table}\" TO rylie_tenant; SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = 'a1'")).await;
        let tenants = raw.rows(&format!("SELECT \"tenantId\" FROM \"{table}\"")).await.unwrap();
        raw.run("ROLLBACK").await;
        if tenants != ["a1"] {
            leaking.push(table);
        }
    }
    leaking
}

#[tokio::test]
async fn a_query_without_a_condition_sees_the_own_rows_only() {
    let (_database, mut raw) = protected().await;

    assert_eq!(leaks(&mut raw).await, Vec::<&str>::new());
    let joined = "SELECT t.id FROM \"Task\" t JOIN \"Request\" r ON true JOIN \"User\" u ON true";
    assert_eq!(raw.as_tenant("a1", joined).await.unwrap(), ["t-ann"]);
    assert_eq!(raw.as_tenant("user:solo", joined).await.unwrap(), ["t-solo"]);
    assert_eq!(
        raw.as_tenant("a1", "SELECT count(*)::text FROM \"User\" WHERE email LIKE 'bob%'").await.unwrap(),
        ["0"]
    );
}

/// Removing any one policy shows a leak. So the check above works, and each policy is needed.
#[tokio::test]
async fn each_policy_is_what_holds_its_table() {
    let (_database, mut raw) = protected().await;
    for table in TABLES {
        for (breach, repair) in [
            ("ALTER TABLE \"$\" DISABLE ROW LEVEL SECURITY", "ALTER TABLE \"$\" ENABLE ROW LEVEL SECURITY"),
            (
                "ALTER POLICY rylie_tenant ON \"$\" USING (true)",
                "ALTER POLICY rylie_tenant ON \"$\" USING (\"tenantId\" = current_setting('rylie.tenant', true))",
            ),
            (
                "ALTER POLICY rylie_tenant ON \"$\" TO rylie_identity",
                "ALTER POLICY rylie_tenant ON \"$\" TO rylie_tenant",
            ),
        ] {
            raw.run(&breach.replace('$', table)).await;
            assert_eq!(leaks(&mut raw).await, [table], "{breach}");
            raw.run(&repair.replace('$', table)).await;
        }
    }
    assert_eq!(leaks(&mut raw).await, Vec::<&str>::new());
}

#[tokio::test]
async fn with_no_tenant_set_nothing_is_seen() {
    let (database, mut raw) = protected().await;
    let mut fresh = Raw::connect(&database.url()).await;
    // Once set, the setting is empty afterwards and no longer unknown.
    raw.as_tenant("a1", "SELECT 1").await.unwrap();

    for raw in [&mut fresh, &mut raw] {
        for table in TABLES.iter().filter(|table| !["Account", "Session"].contains(table)) {
            let all = format!("SELECT \"tenantId\" FROM \"{table}\"");
            assert_eq!(raw.as_role("rylie_tenant", "SELECT 1", &all).await, Ok(vec![]), "{table}");
        }
    }
}

#[tokio::test]
async fn another_tenants_rows_are_neither_changed_nor_removed() {
    let (_database, mut raw) = protected().await;

    for (sql, own) in [
        ("UPDATE \"Request\" SET title = 'mine' RETURNING id", "r-ann"),
        ("UPDATE \"User\" SET name = 'mine' RETURNING id", "ann"),
        ("UPDATE \"Agency\" SET name = 'mine' RETURNING id", "a1"),
        ("DELETE FROM \"Task\" RETURNING id", "t-ann"),
        ("DELETE FROM \"MonthlyUsage\" RETURNING id", "c-ann"),
    ] {
        assert_eq!(raw.as_tenant("a1", sql).await.unwrap(), [own], "{sql}");
    }
    let taken_over = "INSERT INTO \"GA4Connection\" (id, \"userId\", \"accessToken\", \"updatedAt\") VALUES ('x', 'bob', 'mine', now()) \
         ON CONFLICT (\"userId\") DO UPDATE SET \"accessToken\" = 'mine'";
    assert_eq!(raw.as_tenant("a1", taken_over).await, Err(DENIED.to_owned()));
}

#[tokio::test]
async fn a_row_is_neither_made_for_nor_moved_to_another_tenant() {
    let (_database, mut raw) = protected().await;

    let task = "INSERT INTO \"Task\" (id, \"userId\", \"requestId\", title, type, \"updatedAt\", \"tenantId\") VALUES ('x', 'ann', ";
    for sql in [
        format!("{task}'r-bob', 't', 'PAGE', now(), 'a2')"),
        // The trigger that reads the parent does not see it either: the answer is that for a missing one.
        format!("{task}'r-bob', 't', 'PAGE', now(), NULL)"),
        format!("{task}'r-none', 't', 'PAGE', now(), NULL)"),
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('x', 'ann', 'x', 'y', 'a2')".to_owned(),
        "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource) VALUES ('x', 'bob', 'x', 'y')".to_owned(),
        "INSERT INTO \"User\" (id, email, \"agencyId\", \"updatedAt\") VALUES ('x', 'x', 'a2', now())".to_owned(),
        "INSERT INTO \"Request\" (id, \"userId\", \"agencyId\", title, description, type, \"updatedAt\") VALUES ('x', 'bob', 'a2', 't', 'd', 'x', now())".to_owned(),
        "UPDATE \"Request\" SET \"agencyId\" = 'a2' WHERE id = 'r-ann'".to_owned(),
        "UPDATE \"User\" SET \"agencyId\" = NULL WHERE id = 'ann'".to_owned(),
        "UPDATE \"Task\" SET \"requestId\" = 'r-bob' WHERE id = 't-ann'".to_owned(),
        "UPDATE \"Task\" SET \"requestId\" = 'r-bob', \"tenantId\" = 'a2' WHERE id = 't-ann'".to_owned(),
        "UPDATE \"GA4Connection\" SET \"userId\" = 'solo' WHERE id = 'c-ann'".to_owned(),
        "UPDATE \"Agency\" SET id = 'a3' WHERE id = 'a1'".to_owned(),
    ] {
        assert_eq!(raw.as_tenant("a1", &sql).await, Err(DENIED.to_owned()), "{sql}");
    }
    // With its own key, the composite foreign key rejects the row: the parent belongs to another tenant, or is missing.
    for parent in ["r-bob", "r-none"] {
        let forged = format!("{task}'{parent}', 't', 'PAGE', now(), 'a1')");
        assert_eq!(raw.as_tenant("a1", &forged).await, Err("23503".to_owned()));
    }
    let own = format!("{task}'r-ann', 't', 'PAGE', now(), NULL) RETURNING \"tenantId\"");
    assert_eq!(raw.as_tenant("a1", &own).await.unwrap(), ["a1"]);
}

#[tokio::test]
async fn row_security_is_not_switched_off_from_inside() {
    let (_database, mut raw) = protected().await;

    for table in TABLES.iter().filter(|table| !["Account", "Session"].contains(table)) {
        let all = format!("SELECT id FROM \"{table}\"");
        let refused = raw.as_role("rylie_tenant", "SET LOCAL row_security = off", &all).await;
        assert_eq!(refused, Err(DENIED.to_owned()), "{table}");
        for sql in [
            "TRUNCATE \"$\"",
            "ALTER TABLE \"$\" DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE \"$\" ADD COLUMN x text",
            "DROP TABLE \"$\"",
            "DROP POLICY rylie_tenant ON \"$\"",
            "ALTER POLICY rylie_tenant ON \"$\" USING (true)",
            "CREATE POLICY mine ON \"$\" USING (true)",
            "CREATE TRIGGER mine BEFORE INSERT ON \"$\" FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "GRANT SELECT ON \"$\" TO PUBLIC",
            "CREATE TABLE mine (id text REFERENCES \"$\"(id))",
        ] {
            let outcome = raw.as_tenant("a1", &sql.replace('$', table)).await;
            // Granting a right that one does not have is not refused: it has no effect and gives a warning.
            assert!(outcome == Err(DENIED.to_owned()) || sql.starts_with("GRANT"), "{table}: {sql}: {outcome:?}");
        }
    }
    for sql in ["ALTER ROLE rylie_tenant BYPASSRLS", "CREATE ROLE mine", "SET session_replication_role = replica"] {
        assert_eq!(raw.as_tenant("a1", sql).await, Err(DENIED.to_owned()), "{sql}");
    }
    let counted = "SELECT count(*)::text FROM information_schema.role_table_grants WHERE table_schema = 'public' AND grantee = 'PUBLIC'";
    assert_eq!(raw.rows(counted).await.unwrap(), ["0"]);
}

/// A documented limit of this layer: a stranger's SQL on our connection.
#[tokio::test]
async fn whoever_may_send_any_sql_may_leave_the_role() {
    let (_database, mut raw) = protected().await;

    for way_out in ["RESET ROLE", "SET ROLE rylie_platform", "SET rylie.tenant = 'a2'"] {
        let seen = raw.as_tenant("a1", &format!("{way_out}; SELECT id FROM \"Request\" WHERE id = 'r-bob'")).await;
        assert_eq!(seen.unwrap(), ["r-bob"], "{way_out}");
    }
}

#[tokio::test]
async fn copying_gives_and_takes_no_others_rows() {
    let (_database, mut raw) = protected().await;

    assert_eq!(raw.copied_out("a1", "COPY \"Request\" (id) TO STDOUT").await.unwrap(), ["r-ann"]);
    assert_eq!(raw.copied_out("a1", "COPY (SELECT id FROM \"User\") TO STDOUT").await.unwrap(), ["ann"]);
    assert_eq!(raw.as_tenant("a1", "COPY \"Session\" (id) TO STDOUT").await, Err(DENIED.to_owned()));
    // Feature not supported: policies cannot be checked row by row.
    assert_eq!(raw.as_tenant("a1", "COPY \"Request\" FROM STDIN").await, Err("0A000".to_owned()));
    assert_eq!(raw.as_tenant("a1", "COPY \"Request\" TO '/tmp/rows'").await, Err(DENIED.to_owned()));
    assert_eq!(raw.as_tenant("a1", "COPY (SELECT 1) TO PROGRAM 'true'").await, Err(DENIED.to_owned()));
}

#[tokio::test]
async fn identities_and_the_platforms_own_are_closed_to_tenants() {
    let (_database, mut raw) = protected().await;

    for table in ["Account", "Session", "VerificationToken", "SystemSettings", "rylie_database", "seaql_migrations"] {
        for sql in ["SELECT 1 FROM \"$\"", "DELETE FROM \"$\"", "INSERT INTO \"$\" DEFAULT VALUES"] {
            let outcome = raw.as_tenant("a1", &sql.replace('$', table)).await;
            assert_eq!(outcome, Err(DENIED.to_owned()), "{table}: {sql}");
        }
    }
    for sql in ["INSERT INTO \"Agency\" (id, name, \"updatedAt\") VALUES ('a1', 'n', now())", "DELETE FROM \"Agency\""]
    {
        assert_eq!(raw.as_tenant("a1", sql).await, Err(DENIED.to_owned()));
    }
}

#[tokio::test]
async fn the_audit_log_is_added_to_and_never_changed_in_any_unit() {
    let (_database, mut raw) = protected().await;
    let event = |tenant: &str| {
        format!(
            "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") VALUES ('x', 'ann', 'x', 'y', '{tenant}')"
        )
    };

    for role in ["rylie_tenant", "rylie_identity", "rylie_platform"] {
        let enter = "SET LOCAL rylie.tenant = 'a1'";
        for sql in ["UPDATE \"AuditLog\" SET action = 'z'", "DELETE FROM \"AuditLog\"", "TRUNCATE \"AuditLog\""] {
            assert_eq!(raw.as_role(role, enter, sql).await, Err(DENIED.to_owned()), "{role}: {sql}");
        }
        let tenant = if role == "rylie_tenant" { "a1" } else { "platform" };
        assert_eq!(raw.as_role(role, enter, &event(tenant)).await, Ok(vec![]), "{role}");
    }
    let read = "SELECT id FROM \"AuditLog\" ORDER BY id";
    assert_eq!(raw.as_role("rylie_identity", "SELECT 1", read).await, Err(DENIED.to_owned()));
    assert_eq!(raw.as_role("rylie_platform", "SELECT 1", read).await.unwrap(), ["e-ann", "e-bob", "e-solo"]);
}

#[tokio::test]
async fn the_identity_unit_changes_nothing_of_a_user_but_the_confirmation() {
    let (_database, mut raw) = protected().await;
    let mut at_door = async |sql: &str| raw.as_role("rylie_identity", "SELECT 1", sql).await;

    assert_eq!(at_door("UPDATE \"User\" SET \"emailVerified\" = now() RETURNING 'x'").await.unwrap().len(), 3);
    for sql in [
        "UPDATE \"User\" SET role = 'SUPER_ADMIN'",
        "UPDATE \"User\" SET \"agencyId\" = 'a1'",
        "DELETE FROM \"User\"",
        "SELECT 1 FROM \"Request\"",
        "SELECT 1 FROM \"Agency\"",
        "SELECT 1 FROM \"SystemSettings\"",
    ] {
        assert_eq!(at_door(sql).await, Err(DENIED.to_owned()), "{sql}");
    }
}

/// A statement prepared for one tenant and run for another shows the other's rows.
#[tokio::test]
async fn a_prepared_statement_follows_the_tenant() {
    let (_database, mut raw) = protected().await;
    raw.run("PREPARE mine AS SELECT id FROM \"Request\"").await;

    for _ in 0..7 {
        assert_eq!(raw.as_tenant("a1", "EXECUTE mine").await.unwrap(), ["r-ann"]);
        assert_eq!(raw.as_tenant("a2", "EXECUTE mine").await.unwrap(), ["r-bob"]);
    }
    assert_eq!(raw.as_role("rylie_platform", "SELECT 1", "EXECUTE mine").await.unwrap().len(), 3);
    assert_eq!(raw.as_role("rylie_tenant", "SELECT 1", "EXECUTE mine").await, Ok(vec![]));
}
