//! Policies, rules and children of the log's tables. PostgreSQL only: SQLite has none.

use rylie_db::audit::{Finding, Outside as Checkpoints, Tampering, Verifier};
use rylie_db::maintenance::verify_audit;
use rylie_db::prelude::*;
use rylie_migration::{Login, Password, Provision};
use rylie_testkit::{Cluster, DelayProxy, World};

use super::world;
use crate::support::audit::{found, sealed, superuser};
use crate::support::logins::url_as;
use crate::support::sql::{Sql, migrations};

async fn found_by(database: &Database) -> Option<Finding> {
    let reader = database.audit_reader().await.unwrap();
    verify_audit(&reader, Verifier::new(&[], Checkpoints::default()), &mut |_, _| ()).await.unwrap().first_bad
}

/// Returns a database as the service's login, and one as a member of `rylie_auditor`.
async fn readers(world: &World) -> [(String, Database); 2] {
    let mut sql = Sql::connect(world.url()).await;
    let suffix = sql.one("SELECT current_database()::text").await.trim_start_matches("rylie_test_").to_owned();
    let [service, auditor] = ["app", "auditor"].map(|kind| format!("{kind}_{suffix}"));
    let login = Some(Login { name: service.clone(), password: Some(Password::new("x").unwrap()) });
    migrations(world.url()).await.provision(&Provision { app: login, ..Provision::default() }).await.unwrap();
    sql.run(&format!("CREATE ROLE \"{auditor}\" LOGIN PASSWORD 'x'; GRANT rylie_auditor TO \"{auditor}\"")).await;
    let mut readers = Vec::new();
    for name in [service, auditor] {
        let config = Config::new(&url_as(world.url(), &name)).unwrap();
        readers.push((name, Database::connect(config).await.unwrap()));
    }
    readers.try_into().unwrap()
}

const FORGE: &str = "INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) VALUES ('forged', 'x', 'x', 'y', 'platform', 7000)";

#[tokio::test]
async fn a_policy_of_another_hand_is_named_by_those_to_whom_it_applies() {
    let (world, outside) = sealed(world().await).await;
    let readers = readers(&world).await;
    let mut sql = superuser(&world).await;
    for (_, reader) in &readers {
        assert_eq!(found_by(reader).await, None);
    }
    sql.run(FORGE).await;
    for (policy, applies) in [
        (
            "CREATE POLICY p ON \"AuditLog\" AS RESTRICTIVE FOR SELECT TO rylie_platform USING (id <> 'forged')",
            [true, false],
        ),
        (
            "CREATE POLICY p ON \"AuditLog\" AS RESTRICTIVE FOR SELECT TO rylie_auditor USING (id <> 'forged')",
            [false, true],
        ),
        ("CREATE POLICY p ON \"AuditLog\" AS RESTRICTIVE USING (id <> 'forged')", [true, true]),
        ("ALTER POLICY rylie_platform ON \"AuditLog\" USING (id <> 'forged')", [true, false]),
        ("ALTER POLICY rylie_auditor ON \"AuditLog\" USING (id <> 'forged')", [false, true]),
    ] {
        sql.run(policy).await;

        for ((name, reader), applies) in readers.iter().zip(applies) {
            let expected = if applies { Tampering::Hidden } else { Tampering::Added };
            assert_eq!(found_by(reader).await.map(|finding| finding.what), Some(expected), "{name}: {policy}");
        }
        // No policy applies to a superuser.
        assert_eq!(found(&world, &outside).await.what, Tampering::Added, "{policy}");
        sql.run("DROP POLICY IF EXISTS p ON \"AuditLog\"; ALTER POLICY rylie_platform ON \"AuditLog\" USING (true); ALTER POLICY rylie_auditor ON \"AuditLog\" USING (true)").await;
    }
    for seals in ["rylie_audit_batch", "rylie_audit_tenant", "rylie_audit_leaf", "rylie_audit_pending"] {
        sql.run(&format!("ALTER TABLE {seals} ENABLE ROW LEVEL SECURITY")).await;

        for (name, reader) in &readers {
            let finding = found_by(reader).await.unwrap();
            assert_eq!(finding.what, Tampering::Hidden, "{name}: {finding:?}");
            assert!(finding.detail.contains(seals) && finding.detail.contains("no policy lets rylie_"), "{finding:?}");
        }
        sql.run(&format!("ALTER TABLE {seals} DISABLE ROW LEVEL SECURITY")).await;
    }
}

#[tokio::test]
async fn a_view_that_shows_other_rows_to_a_verification_is_named_to_everyone() {
    let (world, outside) = sealed(world().await).await;
    let readers = readers(&world).await;
    let mut sql = superuser(&world).await;
    sql.run(FORGE).await;
    for condition in ["current_user = 'rylie_tenant'", "current_setting('application_name') !~ 'rylie'"] {
        sql.run(&format!(
            "ALTER TABLE \"AuditLog\" RENAME TO kept; CREATE VIEW \"AuditLog\" AS SELECT * FROM kept WHERE id <> 'forged' OR {condition}; \
             GRANT SELECT ON \"AuditLog\" TO rylie_platform, rylie_auditor"
        ))
        .await;

        assert_eq!(found(&world, &outside).await.what, Tampering::Hidden, "{condition}");
        for (name, reader) in &readers {
            assert_eq!(found_by(reader).await.unwrap().what, Tampering::Hidden, "{name}: {condition}");
        }
        sql.run("DROP VIEW \"AuditLog\"; ALTER TABLE kept RENAME TO \"AuditLog\"").await;
    }
}

#[tokio::test]
async fn a_relation_of_another_kind_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    for (change, back, reason) in [
        ("CREATE TABLE child () INHERITS (\"AuditLog\")", "DROP TABLE child", "inherits"),
        (
            "CREATE RULE r AS ON DELETE TO rylie_audit_leaf DO INSTEAD NOTHING",
            "DROP RULE r ON rylie_audit_leaf",
            "a rule",
        ),
        (
            "ALTER TABLE rylie_audit_tenant RENAME TO kept; CREATE MATERIALIZED VIEW rylie_audit_tenant AS SELECT * FROM kept",
            "DROP MATERIALIZED VIEW rylie_audit_tenant; ALTER TABLE kept RENAME TO rylie_audit_tenant",
            "materialized view",
        ),
        (
            "ALTER TABLE rylie_audit_leaf RENAME TO kept; CREATE TABLE rylie_audit_leaf (LIKE kept) PARTITION BY LIST (batch)",
            "DROP TABLE rylie_audit_leaf; ALTER TABLE kept RENAME TO rylie_audit_leaf",
            "partitioned table",
        ),
    ] {
        sql.run(change).await;

        let finding = found(&world, &outside).await;

        assert_eq!(finding.what, Tampering::Hidden, "{change}");
        assert!(finding.detail.contains(reason), "{finding:?}");
        sql.run(back).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{back}");
    }
}

#[tokio::test]
async fn a_setting_of_the_database_does_not_stop_a_verification() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    sql.run("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET row_security = off', current_database()); END $$").await;
    let readers = readers(&world).await;

    for (name, reader) in &readers {
        assert_eq!(found_by(reader).await, None, "{name}");
    }
    assert_eq!(outside.verify(&world).await.first_bad, None);
}

#[tokio::test]
async fn a_policy_that_is_made_while_a_verification_waits_is_seen() {
    let (world, _outside) = sealed(world().await).await;
    let [(_, reader), _] = readers(&world).await;
    assert_eq!(found_by(&reader).await, None);
    let mut sql = superuser(&world).await;
    sql.run(FORGE).await;
    sql.run(
        "BEGIN; CREATE POLICY p ON \"AuditLog\" AS RESTRICTIVE FOR SELECT TO rylie_platform USING (id <> 'forged')",
    )
    .await;
    let verification = tokio::spawn(async move { found_by(&reader).await });
    let waits = "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'public.\"AuditLog\"'::regclass";
    while sql.one(waits).await == "0" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    sql.run("COMMIT").await;

    assert_eq!(verification.await.unwrap().unwrap().what, Tampering::Hidden);
}

/// The server prefers a function whose types match exactly to one for every type, in whichever schema.
#[tokio::test]
async fn a_function_that_would_answer_in_place_of_the_servers_own_is_named() {
    let (world, outside) = sealed(world().await).await;
    let mut sql = superuser(&world).await;
    for (create, name) in [
        (
            "FUNCTION public.to_jsonb(timestamp) RETURNS jsonb LANGUAGE sql AS $$ SELECT '\"infinity\"'::jsonb $$",
            "to_jsonb(timestamp",
        ),
        (
            "FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'public.decoy' $$",
            "format(text,text)",
        ),
        ("FUNCTION public.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS $$ SELECT 'x' $$", "unnest(text[])"),
        ("AGGREGATE public.max(text) (SFUNC = pg_catalog.text_smaller, STYPE = text)", "max(text)"),
        (
            "OPERATOR public.#>> (FUNCTION = pg_catalog.jsonb_concat, LEFTARG = jsonb, RIGHTARG = jsonb)",
            "#>>(jsonb,jsonb)",
        ),
    ] {
        sql.run(&format!("CREATE {create}")).await;

        let finding = found(&world, &outside).await;

        assert!(finding.what == Tampering::Hidden && finding.detail.contains(name), "{finding:?}");
        let (kind, signature) = create.split_once(" public.").unwrap();
        let signature = match kind {
            "OPERATOR" => "#>> (jsonb, jsonb)",
            _ => &signature[..=signature.find(')').unwrap()],
        };
        sql.run(&format!("DROP {kind} public.{signature}")).await;
        assert_eq!(outside.verify(&world).await.first_bad, None, "{name}");
    }
}

/// Each function that a verification calls, by the statements that the server sees.
#[tokio::test]
async fn every_function_of_a_verification_is_guarded() {
    let (world, outside) = sealed(world().await).await;
    let proxy = DelayProxy::start(Cluster::shared().await.unwrap().address()).await.unwrap();
    let url = world.url_through(&proxy).unwrap();
    let settings = [("database_url", url.as_str()), ("behind_pooler", "true"), ("max_connections", "1")];
    let database = world.connect_with_settings(&settings).await.unwrap();
    proxy.record_statements();
    assert_eq!(found_by(&database).await, None);
    // Those before run without schema `public` in the search path.
    let statements =
        proxy.take_statements().into_iter().skip_while(|sql| !sql.contains("'pg_catalog, public, pg_temp'"));
    let statements = statements.skip(1).collect::<Vec<_>>().join(" ").to_lowercase();
    let mut sql = superuser(&world).await;
    let called = sql.all("SELECT DISTINCT proname::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^[a-z_0-9]+$'").await;
    let called: Vec<String> = called.into_iter().filter(|name| calls(&statements, name)).collect();
    assert!(called.len() > 4, "{called:?}");
    for name in called {
        sql.run(&format!("CREATE FUNCTION public.{name}(inet, inet, inet) RETURNS int LANGUAGE sql AS 'SELECT 1'"))
            .await;
        let finding = outside.verify(&world).await.first_bad;
        assert!(finding.is_some_and(|finding| finding.what == Tampering::Hidden), "{name} is not guarded");
        sql.run(&format!("DROP FUNCTION public.{name}(inet, inet, inet)")).await;
    }
}

/// Returns whether a statement calls the function without naming its schema.
fn calls(statements: &str, name: &str) -> bool {
    statements
        .match_indices(&format!("{name}("))
        .any(|(at, _)| !statements[..at].ends_with(|before: char| before.is_alphanumeric() || "_.\"".contains(before)))
}

/// The planner compared each entry of a tenant with each group of leaves: 20,000 tenants took seven seconds.
#[tokio::test]
async fn a_log_of_many_tenants_verifies_within_the_time_limit_of_a_statement() {
    let (world, outside) = (world().await, crate::support::audit::Outside::new());
    let mut sql = superuser(&world).await;
    sql.run("SET session_replication_role = origin").await;
    sql.run("INSERT INTO \"AuditLog\" (id, \"userId\", action, resource, \"tenantId\") SELECT 'many-' || n, 'u', 'x', 'y', 't' || n FROM generate_series(1, 20000) n").await;
    assert!(outside.seal(&world).await >= 20_000);
    let limited = [("database_url", world.url()), ("statement_timeout_seconds", "3")];
    let database = world.connect_with_settings(&limited).await.unwrap();
    assert_eq!(found_by(&database).await, None);
    assert_eq!(outside.verify(&world).await.first_bad, None);
}
