//! Each policy is needed: without one, or with a weaker one, the suite fails and names the table.

use async_trait::async_trait;
use rylie_testkit::World;
use rylie_testkit::attacks::{Attacks, Extension, Failure, Fixture, Outcome, Report, Side};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// Ways to break a table's row-level security, with the statements that restore it; `$` is the table.
const BREACHES: [(&str, &str); 5] = [
    ("ALTER TABLE \"$\" DISABLE ROW LEVEL SECURITY", "ALTER TABLE \"$\" ENABLE ROW LEVEL SECURITY"),
    ("ALTER POLICY rylie_tenant ON \"$\" USING (true)", RESTORED),
    (
        "ALTER POLICY rylie_tenant ON \"$\" USING (true) WITH CHECK (\"tenantId\" = current_setting('rylie.tenant', true))",
        RESTORED,
    ),
    ("ALTER POLICY rylie_tenant ON \"$\" WITH CHECK (true)", RESTORED),
    ("CREATE POLICY planted ON \"$\" TO rylie_tenant USING (true)", "DROP POLICY planted ON \"$\""),
];

const POLICY: &str = "CREATE POLICY rylie_tenant ON \"$\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true)) \
    WITH CHECK (\"tenantId\" = current_setting('rylie.tenant', true))";

const RESTORED: &str = "ALTER POLICY rylie_tenant ON \"$\" USING (\"tenantId\" = current_setting('rylie.tenant', true)) \
    WITH CHECK (\"tenantId\" = current_setting('rylie.tenant', true))";

async fn run(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

/// Returns the tables that a report names as broken.
fn named(report: &Report) -> Vec<&str> {
    let mut named: Vec<_> =
        report.breaches().filter_map(|attack| attack.name.split_once(": ")).map(|(table, _)| table).collect();
    named.dedup();
    named
}

#[tokio::test]
async fn the_suite_is_red_without_any_one_policy_and_names_its_table() {
    let world = World::postgres().await.unwrap();
    let mut connection = PgConnection::connect(world.url()).await.unwrap();
    for table in crate::isolation::TABLES {
        for (breach, repair) in BREACHES {
            run(&mut connection, breach.replace('$', table)).await;
            let report = Attacks::on(&world).by_sql().await.unwrap();
            run(&mut connection, repair.replace('$', table)).await;
            assert_eq!(named(&report), [table], "{table}: {breach}\n{report}");
        }
    }
    Attacks::on(&world).by_sql().await.unwrap().assert_held();
}

/// Drops a table's policy after the suite has inserted its rows.
struct DropPolicy(&'static str);

#[async_trait]
impl Extension for DropPolicy {
    fn name(&self) -> &'static str {
        "a dropped policy"
    }

    async fn plant(&self, fixture: &Fixture<'_>, _: &Side<'_>) -> Result<(), Failure> {
        let mut connection = PgConnection::connect(fixture.world().url()).await?;
        run(&mut connection, format!("DROP POLICY IF EXISTS rylie_tenant ON \"{}\"", self.0)).await;
        Ok(())
    }
}

/// Without a policy no tenant sees a row of the table: the suite reports the tenant's own rows as missing.
#[tokio::test]
async fn the_suite_is_red_where_a_table_has_no_policy_at_all() {
    let world = World::postgres().await.unwrap();
    for table in ["AuditLog", "Task"] {
        let report = Attacks::on(&world).with(&DropPolicy(table)).by_sql().await.unwrap();

        let mut connection = PgConnection::connect(world.url()).await.unwrap();
        run(&mut connection, POLICY.replace('$', table)).await;
        assert_eq!(named(&report), [table], "{report}");
    }
    Attacks::on(&world).by_sql().await.unwrap().assert_held();
}

/// A tenant unit fails to write its audit record, so the rows for the attacks cannot be inserted.
#[tokio::test]
async fn the_suite_does_not_begin_where_the_audit_log_has_no_policy() {
    let world = World::postgres().await.unwrap();
    let mut connection = PgConnection::connect(world.url()).await.unwrap();
    run(&mut connection, "DROP POLICY rylie_tenant ON \"AuditLog\"".to_owned()).await;

    let error = Attacks::on(&world).by_sql().await.unwrap_err();

    let broken = r#"row-level security policy for table "AuditLog""#;
    assert!(format!("{error:?}").contains(broken), "{error:?}");
}

/// The role's rights and attributes belong to the isolation.
#[tokio::test]
async fn the_suite_is_red_when_the_tenants_role_may_do_more() {
    let world = World::postgres().await.unwrap();
    let mut connection = PgConnection::connect(world.url()).await.unwrap();
    for (breach, repair) in [
        ("GRANT SELECT ON \"SystemSettings\" TO rylie_tenant", "REVOKE SELECT ON \"SystemSettings\" FROM rylie_tenant"),
        ("GRANT TRUNCATE ON \"Task\" TO rylie_tenant", "REVOKE TRUNCATE ON \"Task\" FROM rylie_tenant"),
        ("GRANT TRIGGER ON \"Task\" TO rylie_tenant", "REVOKE TRIGGER ON \"Task\" FROM rylie_tenant"),
        (
            "GRANT USAGE ON SEQUENCE rylie_audit_position TO rylie_tenant",
            "REVOKE USAGE ON SEQUENCE rylie_audit_position FROM rylie_tenant",
        ),
        ("GRANT CREATE ON SCHEMA public TO rylie_tenant", "REVOKE CREATE ON SCHEMA public FROM rylie_tenant"),
    ] {
        run(&mut connection, breach.to_owned()).await;
        let report = Attacks::on(&world).by_sql().await.unwrap();
        run(&mut connection, repair.to_owned()).await;
        assert!(!report.held(), "{breach}");
        let seen = |attack: &rylie_testkit::attacks::Attack| matches!(attack.outcome, Outcome::Broke { .. });
        assert!(report.breaches().all(seen));
    }
    Attacks::on(&world).by_sql().await.unwrap().assert_held();
}
