//! Adds the key on PostgreSQL, on a live table: no lock blocks a writer for longer than a catalog change.
//!
//! Column → trigger (new rows are correct from here on) → old rows in batches → constraint `NOT VALID` → validated →
//! `NOT NULL` (which then needs no scan). Parents before children.

use super::{CHILDREN, Child, ROOTS, Root};
use crate::step::{Engine, Step};

/// The rows of a batch, which take some tens of milliseconds. Other writers of these rows may wait that long.
const BATCH: u32 = 5_000;

pub(super) fn up() -> Vec<Step> {
    let mut steps: Vec<Step> = ROOTS.iter().flat_map(add_to_root).collect();
    steps.extend(["Request", "User"].map(parent_function));
    steps.extend(CHILDREN.iter().flat_map(add_to_child));
    steps.extend(add_to_audit_log());
    steps
}

fn add_to_root(root: &Root) -> Vec<Step> {
    let Root { table, .. } = root;
    let function = function_name("of", table);
    let (own, new) = (root.formula(""), root.formula("NEW."));
    let mut steps = vec![
        add_column(table),
        Step::sql(function_sql(&function, &new)),
        // The condition avoids the function call in writes whose key is already correct.
        Step::sql(format!(
            "CREATE OR REPLACE TRIGGER \"{table}_tenantId\" BEFORE INSERT OR UPDATE ON \"{table}\" FOR EACH ROW \
             WHEN (NEW.\"tenantId\" IS DISTINCT FROM {new}) EXECUTE FUNCTION {function}()"
        )),
        batches(
            table,
            &format!("UPDATE \"{table}\" SET \"tenantId\" = {} WHERE {}", root.formula(""), in_batch(table)),
        ),
    ];
    steps.extend(checked(
        table,
        &format!("{table}_tenantId_check"),
        &format!("\"tenantId\" IS NOT NULL AND \"tenantId\" = {own}"),
    ));
    steps.push(set_not_null(table));
    steps.extend(
        root.target.map(|name| Step::unique_index(Engine::Postgres, name, &format!("\"{table}\" (id, \"tenantId\")"))),
    );
    steps
}

fn add_to_child(child: &Child) -> Vec<Step> {
    let Child { table, parent, column } = child;
    let (function, key) = (function_name("from", parent), child.foreign_key());
    let mut steps = vec![
        add_column(table),
        Step::sql(format!(
            "CREATE OR REPLACE TRIGGER \"{table}_tenantId_insert\" BEFORE INSERT ON \"{table}\" FOR EACH ROW \
             WHEN (NEW.\"tenantId\" IS NULL) EXECUTE FUNCTION {function}()"
        )),
        // For a writer that moves a row to another parent without setting the key. A writer that sets both, as the
        // cascade of the composite key does, passes unchanged, and that key checks it.
        Step::sql(format!(
            "CREATE OR REPLACE TRIGGER \"{table}_tenantId_move\" BEFORE UPDATE OF \"{column}\" ON \"{table}\" FOR EACH ROW \
             WHEN (NEW.\"{column}\" IS DISTINCT FROM OLD.\"{column}\" AND NEW.\"tenantId\" IS NOT DISTINCT FROM OLD.\"tenantId\") \
             EXECUTE FUNCTION {function}()"
        )),
        // Add the foreign key before the old rows are filled, so that a parent that moves also updates the filled rows.
        Step::sql(format!(
            "ALTER TABLE \"{table}\" DROP CONSTRAINT IF EXISTS \"{key}\", ADD CONSTRAINT \"{key}\" {} NOT VALID",
            child.reference()
        )),
        // The lock on the parents prevents changes of their keys until the batch is committed.
        batches(
            table,
            &format!(
                "UPDATE \"{table}\" SET \"tenantId\" = held.\"tenantId\" FROM (SELECT child.id, parent.\"tenantId\" FROM \"{table}\" child \
                 JOIN \"{parent}\" parent ON parent.id = child.\"{column}\" WHERE {} FOR KEY SHARE OF parent) held \
                 WHERE \"{table}\".id = held.id AND {}",
                in_batch("child"),
                in_batch(table)
            ),
        ),
        Step::sql(format!("ALTER TABLE \"{table}\" VALIDATE CONSTRAINT \"{key}\"")),
    ];
    steps.extend(make_not_null(table));
    steps
}

fn add_to_audit_log() -> Vec<Step> {
    let function = function_name("of", "AuditLog");
    let mut steps = vec![
        add_column("AuditLog"),
        Step::sql(function_sql(
            &function,
            "coalesce((SELECT u.\"tenantId\" FROM public.\"User\" u WHERE u.id = NEW.\"userId\"), 'platform')",
        )),
        Step::sql(format!(
            "CREATE OR REPLACE TRIGGER \"AuditLog_tenantId_insert\" BEFORE INSERT ON \"AuditLog\" FOR EACH ROW \
             WHEN (NEW.\"tenantId\" IS NULL) EXECUTE FUNCTION {function}()"
        )),
        batches(
            "AuditLog",
            &format!(
                "UPDATE \"AuditLog\" SET \"tenantId\" = coalesce((SELECT u.\"tenantId\" FROM \"User\" u \
                 WHERE u.id = \"AuditLog\".\"userId\"), 'platform') WHERE {}",
                in_batch("AuditLog")
            ),
        ),
    ];
    steps.extend(make_not_null("AuditLog"));
    steps
}

pub(super) fn down() -> Vec<Step> {
    // Dropping a column drops its constraints and indexes. Triggers refer to the column, so they are dropped first.
    let mut steps =
        vec![Step::sql("DROP TRIGGER IF EXISTS \"AuditLog_tenantId_insert\" ON \"AuditLog\""), drop_column("AuditLog")];
    for Child { table, .. } in CHILDREN.iter().rev() {
        for event in ["insert", "move"] {
            steps.push(Step::sql(format!("DROP TRIGGER IF EXISTS \"{table}_tenantId_{event}\" ON \"{table}\"")));
        }
        steps.push(drop_column(table));
    }
    for Root { table, .. } in ROOTS.iter().rev() {
        steps.push(Step::sql(format!("DROP TRIGGER IF EXISTS \"{table}_tenantId\" ON \"{table}\"")));
        steps.push(drop_column(table));
    }
    let functions = [
        ("of", "AuditLog"),
        ("from", "User"),
        ("from", "Request"),
        ("of", "Request"),
        ("of", "User"),
        ("of", "Agency"),
    ];
    for (preposition, table) in functions {
        steps.push(Step::sql(format!("DROP FUNCTION IF EXISTS {}()", function_name(preposition, table))));
    }
    steps
}

fn function_name(preposition: &str, table: &str) -> String {
    format!("public.rylie_tenant_{preposition}_{}", table.to_lowercase())
}

/// Takes the parent's key. An unknown parent gives the empty text, which no row has, so that the writer gets the
/// foreign key's error as before.
fn parent_function(parent: &str) -> Step {
    let column = if parent == "User" { "userId" } else { "requestId" };
    Step::sql(function_sql(
        &function_name("from", parent),
        &format!("coalesce((SELECT p.\"tenantId\" FROM public.\"{parent}\" p WHERE p.id = NEW.\"{column}\"), '')"),
    ))
}

/// The function runs with the writer's rights: row-level security hides another tenant's parent from it.
fn function_sql(name: &str, value: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp \
         AS $$ BEGIN NEW.\"tenantId\" := {value}; RETURN NEW; END $$"
    )
}

fn add_column(table: &str) -> Step {
    Step::sql(format!("ALTER TABLE \"{table}\" ADD COLUMN IF NOT EXISTS \"tenantId\" text"))
}

fn drop_column(table: &str) -> Step {
    Step::sql(format!("ALTER TABLE \"{table}\" DROP COLUMN IF EXISTS \"tenantId\""))
}

/// Processes the table in key order, one range of ids per statement, so that each row is read once, even if most are
/// already filled.
fn batches(table: &str, fill: &str) -> Step {
    Step::Batches(
        format!(
            "WITH last AS MATERIALIZED (SELECT max(id) AS id FROM (SELECT id FROM \"{table}\" WHERE id >= $1 ORDER BY id LIMIT {BATCH}) ids), \
             filled AS ({fill}) SELECT nullif(id, $1) FROM last"
        )
        .into(),
    )
}

/// Selects the unfilled rows of a batch. It is a range, because the planner expects that to be short and uses the key.
/// It would join a list of ids to the whole table each time.
fn in_batch(row: &str) -> String {
    format!("\"{row}\".id >= $1 AND \"{row}\".id <= (SELECT id FROM last) AND \"{row}\".\"tenantId\" IS NULL")
}

fn set_not_null(table: &str) -> Step {
    Step::sql(format!("ALTER TABLE \"{table}\" ALTER COLUMN \"tenantId\" SET NOT NULL"))
}

/// Adds a check in two steps, so that the scan of the second blocks no session.
fn checked(table: &str, name: &str, condition: &str) -> [Step; 2] {
    [
        Step::sql(format!(
            "ALTER TABLE \"{table}\" DROP CONSTRAINT IF EXISTS \"{name}\", ADD CONSTRAINT \"{name}\" CHECK ({condition}) NOT VALID"
        )),
        Step::sql(format!("ALTER TABLE \"{table}\" VALIDATE CONSTRAINT \"{name}\"")),
    ]
}

/// Sets `NOT NULL` by way of a check, which avoids the scan under an exclusive lock; then drops the check.
fn make_not_null(table: &str) -> Vec<Step> {
    let name = format!("{table}_tenantId_not_null");
    let mut steps = checked(table, &name, "\"tenantId\" IS NOT NULL").to_vec();
    steps.push(set_not_null(table));
    steps.push(Step::sql(format!("ALTER TABLE \"{table}\" DROP CONSTRAINT IF EXISTS \"{name}\"")));
    steps
}
