//! Queries the schema instead of the code: a new table cannot be forgotten.

use super::{TABLES, protected};
use crate::support::raw::Raw;

/// Tables without a tenant, with the reason.
const OF_NO_TENANT: [(&str, &str); 14] = [
    ("VerificationToken", "names an address before it is known whose it is; only the identity unit has a right on it"),
    ("SystemSettings", "one row, the platform's own"),
    ("rylie_database", "the mark of the database"),
    ("rylie_job_runs", "when the platform's jobs ran; the platform unit's alone"),
    ("rylie_size_history", "how the database grew, tenants not told apart; the platform unit's alone"),
    ("rylie_alerts", "which thresholds the database has crossed; the platform unit's alone"),
    ("rylie_alert_deliveries", "which targets get them; the platform unit's alone"),
    ("rylie_audit_pending", "names records of everybody that wait to be sealed; no tenant has a right on it"),
    ("rylie_audit_batch", "checkpoints over everybody's records; no tenant has a right on it"),
    ("rylie_audit_tenant", "what a checkpoint says of each tenant; no tenant has a right on it"),
    ("rylie_audit_leaf", "hashes of everybody's records; no tenant has a right on it"),
    ("seaql_migrations", "the record of migrations, as SeaORM keeps it"),
    ("rylie_migrations", "the record of migrations, step by step"),
    ("rylie_logins", "the logins that were provisioned"),
];

/// Lists the gaps of row-level security, table by table.
async fn violations(raw: &mut Raw) -> Vec<String> {
    let allowed = OF_NO_TENANT.map(|(table, _)| format!("'{table}'")).join(", ");
    let sql = include_str!("violations.sql").replace("$allowed", &allowed);
    raw.rows(&sql).await.unwrap()
}

#[tokio::test]
async fn every_table_of_a_tenant_is_protected() {
    let (_database, mut raw) = protected().await;

    assert_eq!(violations(&mut raw).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_table_that_was_forgotten_is_found() {
    let (_database, mut raw) = protected().await;
    raw.run("CREATE TABLE \"Planted\" (\"tenantId\" text)").await;
    raw.run("CREATE TABLE \"Keyless\" (id text)").await;

    assert_eq!(
        violations(&mut raw).await,
        [
            "Keyless: it has no \"tenantId\", and is not named as a table of no tenant",
            "Planted: \"tenantId\" may be null",
            "Planted: no foreign key holds it to its parent's tenant",
            "Planted: no index begins with \"tenantId\"",
            "Planted: no policy of the plain form for rylie_tenant",
            "Planted: row-level security is not forced",
            "Planted: row-level security is off",
        ]
    );
}

/// Each part is needed: if one table lacks it, that table is reported.
#[tokio::test]
async fn whatever_is_taken_out_of_row_security_is_found() {
    let (_database, mut raw) = protected().await;
    for table in TABLES {
        for breach in [
            "ALTER TABLE \"$\" DISABLE ROW LEVEL SECURITY",
            "ALTER TABLE \"$\" NO FORCE ROW LEVEL SECURITY",
            "DROP POLICY rylie_tenant ON \"$\"",
            "ALTER POLICY rylie_tenant ON \"$\" USING (true)",
            "ALTER POLICY rylie_tenant ON \"$\" WITH CHECK (true)",
            "ALTER POLICY rylie_platform ON \"$\" TO public",
            "CREATE POLICY more ON \"$\" TO rylie_tenant USING (true)",
            "ALTER TABLE \"$\" DROP COLUMN \"tenantId\" CASCADE",
            "GRANT TRUNCATE ON \"$\" TO rylie_tenant",
        ] {
            raw.run("BEGIN").await;
            raw.run(&breach.replace('$', table)).await;
            let found = violations(&mut raw).await;
            raw.run("ROLLBACK").await;
            assert!(found.iter().any(|line| line.starts_with(&format!("{table}: "))), "{table}: {breach}: {found:?}");
        }
    }
    for breach in [
        "ALTER ROLE rylie_tenant BYPASSRLS",
        "GRANT SELECT ON \"Session\" TO rylie_tenant",
        "GRANT DELETE ON \"AuditLog\" TO rylie_platform",
    ] {
        raw.run("BEGIN").await;
        raw.run(breach).await;
        assert_eq!(violations(&mut raw).await.len(), 1, "{breach}");
        raw.run("ROLLBACK").await;
    }
}
