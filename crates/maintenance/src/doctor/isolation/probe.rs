//! The active probe: each unit role tries what its policies and rights must refuse.
//!
//! Reads as a tenant that does not exist must find no row. Writes name no existing row, and their transaction is rolled
//! back in every case, so nothing is locked or changed even where a layer fails.

use sqlx::Row;

use crate::doctor::report::{Outcome, Verdict};
use crate::doctor::session::{Failed, Session};

/// A tenant that cannot exist: ids have no spaces.
const ABSENT: &str = "rylie doctor probe";

const TENANT: &str = "SET LOCAL ROLE rylie_tenant; SET LOCAL rylie.tenant = 'rylie doctor probe';";
const IDENTITY: &str = "SET LOCAL ROLE rylie_identity; SET LOCAL rylie.tenant = 'rylie doctor probe';";
const PLATFORM: &str = "SET LOCAL ROLE rylie_platform;";

/// The tables with tenants' rows that a role may read.
fn readable(role: &str) -> String {
    format!(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND has_table_privilege('{role}', c.oid, 'SELECT') \
         AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenantId' AND NOT a.attisdropped) ORDER BY 1"
    )
}

/// The tenant role: no row of any table is visible to a tenant that does not exist, and no row of another tenant is
/// written.
pub(crate) async fn probe_tenant(session: &mut Session) -> Outcome {
    let tables = match names(session, &readable("rylie_tenant")).await {
        Ok(tables) => tables,
        Err(failed) => return failed.outcome(),
    };
    let visible = match visible(session, TENANT, &tables).await {
        Ok(visible) => visible,
        Err(failed) => return failed.outcome(),
    };
    let mut outcome = Outcome::ok(format!(
        "{} tables show no row to a tenant that does not exist; writes into another tenant are refused",
        tables.len()
    ));
    for table in visible {
        outcome = outcome.with(
            Verdict::Critical,
            format!("table {table}"),
            "rows are visible to a tenant that does not exist",
        );
    }
    let insert = "INSERT INTO public.\"Request\" (id, \"userId\", title, description, type, \"updatedAt\", \"tenantId\") \
                  VALUES ('rylie-doctor-probe', 'rylie-doctor-probe', 'probe', 'probe', 'probe', now(), 'another tenant') RETURNING id";
    let log = "INSERT INTO public.\"AuditLog\" (id, \"userId\", action, resource, \"tenantId\", position) \
               VALUES ('rylie-doctor-probe', 'rylie-doctor-probe', 'probe', 'probe', 'another tenant', -1) RETURNING id";
    for (table, sql) in [("Request", insert), ("AuditLog", log)] {
        outcome = refused(session, TENANT, sql, outcome, table, "accepts a row of another tenant").await;
    }
    outcome
}

/// The identity role: tables of tenant units are closed, and roles and agencies of users cannot be changed.
pub(crate) async fn probe_identity(session: &mut Session) -> Outcome {
    let tables = match names(session, &readable("rylie_identity")).await {
        Ok(tables) => tables,
        Err(failed) => return failed.outcome(),
    };
    let mut outcome = Outcome::ok(
        "tables of tenant units are closed to the identity role, and it changes neither roles nor agencies",
    );
    let own = ["\"User\"", "\"Account\"", "\"Session\""];
    for table in tables.iter().filter(|table| !own.contains(&table.as_str())) {
        outcome = outcome.with(Verdict::Critical, format!("table {table}"), "is open to the identity role");
    }
    let role = "UPDATE public.\"User\" SET role = role WHERE id = 'rylie doctor probe' RETURNING id";
    let agency = "UPDATE public.\"User\" SET \"agencyId\" = \"agencyId\" WHERE id = 'rylie doctor probe' RETURNING id";
    let task = "UPDATE public.\"Task\" SET title = title WHERE id = 'rylie doctor probe' RETURNING id";
    for (sql, what) in [(role, "lets it change a user's role"), (agency, "lets it move a user to another agency")] {
        outcome = refused(session, IDENTITY, sql, outcome, "User", what).await;
    }
    refused(session, IDENTITY, task, outcome, "Task", "lets it change tasks").await
}

/// The platform role: evidence and the environment marker are closed.
pub(crate) async fn probe_platform(session: &mut Session) -> Outcome {
    let mut outcome = Outcome::ok("the platform role changes neither the audit log nor the environment marker");
    for (table, sql) in [
        ("AuditLog", "DELETE FROM public.\"AuditLog\" WHERE id = 'rylie doctor probe' RETURNING id"),
        ("AuditLog", "UPDATE public.\"AuditLog\" SET action = action WHERE id = 'rylie doctor probe' RETURNING id"),
        ("rylie_database", "UPDATE public.rylie_database SET environment = environment WHERE id = 0 RETURNING id"),
    ] {
        outcome = refused(session, PLATFORM, sql, outcome, table, "may be changed by the platform role").await;
    }
    outcome
}

async fn names(session: &mut Session, sql: &str) -> Result<Vec<String>, Failed> {
    Ok(session.rows("", sql).await?.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// Returns the tables of which the role sees a row.
async fn visible(session: &mut Session, role: &str, tables: &[String]) -> Result<Vec<String>, Failed> {
    debug_assert!(role.contains(ABSENT));
    let looks = tables.iter().map(|table| format!("SELECT '{table}'::text WHERE EXISTS (SELECT FROM public.{table})"));
    let sql = looks.collect::<Vec<_>>().join(" UNION ALL ");
    if sql.is_empty() {
        return Ok(Vec::new());
    }
    Ok(session.rows(role, &sql).await?.iter().filter_map(|row| row.try_get(0).ok()).collect())
}

/// Adds a finding unless the statement is refused. Any refusal of the database counts, except that of the role itself.
async fn refused(session: &mut Session, role: &str, sql: &str, outcome: Outcome, table: &str, what: &str) -> Outcome {
    if outcome.reason.is_some() {
        return outcome;
    }
    match session.rows_rolled_back(role, sql).await {
        Ok(_) => outcome.with(Verdict::Critical, format!("table {table}"), what),
        Err(Failed::Refused { reason, .. }) if reason.contains("set role") => Outcome::not_checked(reason),
        Err(Failed::Refused { code, .. }) if ["42501", "23503", "23514", "P0001"].contains(&code.as_str()) => outcome,
        Err(failed) => {
            let reason = failed.outcome().reason.unwrap_or_default();
            outcome.with(Verdict::NotChecked, format!("table {table}"), reason)
        }
    }
}
