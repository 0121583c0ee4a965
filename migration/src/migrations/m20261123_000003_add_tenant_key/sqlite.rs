//! Adds the key on SQLite.
//!
//! A trigger cannot change the row that fires it, so the column starts empty and a trigger after the write fills it.
//! Foreign keys are checked at the end of the statement, after its triggers. For the same reason there is no `CHECK` of
//! the formula: it would see the row before the trigger has run.

use super::{CHILDREN, Child, ROOTS, Root};
use crate::migrations::sqlite_rebuild::Rebuild;
use crate::step::{Engine, Step};

const COLUMN: &str = "\"tenantId\" TEXT DEFAULT '' NOT NULL";

/// Fills the key of an event if the writer set none.
pub(crate) const AUDIT_LOG_TRIGGER: &str = "CREATE TRIGGER \"AuditLog_tenantId_insert\" AFTER INSERT ON \"AuditLog\" WHEN NEW.\"tenantId\" = '' \
BEGIN UPDATE \"AuditLog\" SET \"tenantId\" = coalesce((SELECT \"tenantId\" FROM \"User\" WHERE id = NEW.\"userId\"), 'platform') \
WHERE id = NEW.id; END";

pub(super) fn up() -> Vec<Step> {
    let mut steps: Vec<Step> = ROOTS.iter().flat_map(add_to_root).collect();
    steps.extend(CHILDREN.iter().flat_map(add_to_child));
    let user_key = "coalesce((SELECT \"tenantId\" FROM \"User\" WHERE id = old.\"userId\"), 'platform')";
    steps.extend(Rebuild::of("AuditLog").column(COLUMN, user_key).steps());
    steps.push(Step::sql(AUDIT_LOG_TRIGGER));
    steps
}

fn add_to_root(root: &Root) -> Vec<Step> {
    let Root { table, .. } = root;
    let (own, new) = (root.formula(""), root.formula("NEW."));
    let trigger = |event: &str| {
        Step::sql(format!(
            "CREATE TRIGGER \"{table}_tenantId_{event}\" AFTER {event} ON \"{table}\" WHEN NEW.\"tenantId\" IS NOT {new} \
             BEGIN UPDATE \"{table}\" SET \"tenantId\" = {own} WHERE id = NEW.id; END"
        ))
    };
    let mut steps = vec![
        Step::sql(format!("ALTER TABLE \"{table}\" ADD COLUMN {COLUMN}")),
        Step::sql(format!("UPDATE \"{table}\" SET \"tenantId\" = {own}")),
    ];
    steps.extend(
        root.target.map(|name| Step::unique_index(Engine::Sqlite, name, &format!("\"{table}\" (id, \"tenantId\")"))),
    );
    steps.extend([trigger("insert"), trigger("update")]);
    steps
}

fn add_to_child(child: &Child) -> Vec<Step> {
    let Child { table, parent, column } = child;
    let key = |row: &str| format!("(SELECT \"tenantId\" FROM \"{parent}\" WHERE id = {row}.\"{column}\")");
    // An unknown parent leaves the empty text, so that the foreign key fails.
    let fill = format!("UPDATE \"{table}\" SET \"tenantId\" = coalesce({}, '') WHERE id = NEW.id", key("NEW"));
    let constraint = format!("CONSTRAINT \"{}\" {}", child.foreign_key(), child.reference());
    let mut steps = Rebuild::of(table).column(COLUMN, &key("old")).constraint(&constraint).steps();
    steps.extend([
        Step::sql(format!(
            "CREATE TRIGGER \"{table}_tenantId_insert\" AFTER INSERT ON \"{table}\" WHEN NEW.\"tenantId\" = '' BEGIN {fill}; END"
        )),
        Step::sql(format!(
            "CREATE TRIGGER \"{table}_tenantId_move\" AFTER UPDATE OF \"{column}\" ON \"{table}\" \
             WHEN NEW.\"{column}\" IS NOT OLD.\"{column}\" AND NEW.\"tenantId\" IS OLD.\"tenantId\" BEGIN {fill}; END"
        )),
    ]);
    steps
}

pub(super) fn down() -> Vec<Step> {
    let mut steps = Rebuild::of("AuditLog").steps();
    steps.extend(CHILDREN.iter().rev().flat_map(|child| Rebuild::of(child.table).steps()));
    for Root { table, target, .. } in ROOTS.iter().rev() {
        for event in ["insert", "update"] {
            steps.push(Step::sql(format!("DROP TRIGGER \"{table}_tenantId_{event}\"")));
        }
        steps.extend(target.map(|name| Step::drop_index(Engine::Sqlite, name)));
        steps.push(Step::sql(format!("ALTER TABLE \"{table}\" DROP COLUMN \"tenantId\"")));
    }
    steps
}
