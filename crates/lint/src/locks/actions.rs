//! The actions of `ALTER TABLE`.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;

use super::{Effect, LockMode};
use crate::script::Part;
use crate::tree::Tree;

/// Returns the lock on the table itself; `None` if this is not an action of `ALTER TABLE`.
pub(super) fn lock_of(action: &SyntaxNode) -> Option<LockMode> {
    action.parent().filter(|parent| parent.kind() == K::ALTER_TABLE)?;
    Some(match action.kind() {
        K::VALIDATE_CONSTRAINT | K::CLUSTER_ON | K::SET_WITHOUT_CLUSTER | K::ATTACH_PARTITION => {
            LockMode::ShareUpdateExclusive
        }
        // Fill factor, autovacuum and planner settings: every option that tables have.
        K::SET_OPTIONS | K::RESET_OPTIONS => LockMode::ShareUpdateExclusive,
        K::DETACH_PARTITION if action.holds(K::DETACH_CONCURRENTLY) => LockMode::ShareUpdateExclusive,
        K::ALTER_COLUMN
            if [K::SET_STATISTICS, K::SET_OPTIONS_LIST, K::SET_OPTIONS, K::RESET_OPTIONS]
                .iter()
                .any(|kind| action.has(*kind)) =>
        {
            LockMode::ShareUpdateExclusive
        }
        K::ADD_CONSTRAINT if action.has(K::FOREIGN_KEY_CONSTRAINT) => LockMode::ShareRowExclusive,
        K::ENABLE_TRIGGER | K::DISABLE_TRIGGER | K::ENABLE_ALWAYS_TRIGGER | K::ENABLE_REPLICA_TRIGGER => {
            LockMode::ShareRowExclusive
        }
        _ => LockMode::AccessExclusive,
    })
}

pub(super) fn effect_of(part: &Part, table: &str, mode: LockMode) -> Effect {
    let action = &part.node;
    let effect = Effect { rewrites: rewrites(action), ..Effect::default() }.lock(table, mode);
    let Some((other, mode)) = other_table(action) else { return effect };
    effect.lock(other, mode)
}

fn other_table(action: &SyntaxNode) -> Option<(String, LockMode)> {
    let mode = match action.kind() {
        K::ADD_CONSTRAINT | K::ADD_COLUMN => LockMode::ShareRowExclusive,
        K::DETACH_PARTITION if action.holds(K::DETACH_CONCURRENTLY) => LockMode::ShareUpdateExclusive,
        K::ATTACH_PARTITION | K::DETACH_PARTITION => LockMode::AccessExclusive,
        K::INHERIT_TABLE => LockMode::ShareUpdateExclusive,
        _ => return None,
    };
    Some((action.find(K::TABLE_NAME_REF)?.name(), mode))
}

fn rewrites(action: &SyntaxNode) -> bool {
    match action.kind() {
        K::SET_LOGGED | K::SET_UNLOGGED | K::SET_ACCESS_METHOD | K::SET_TABLESPACE => true,
        K::ALTER_COLUMN => action.has(K::SET_TYPE),
        K::ADD_COLUMN => {
            is_stored(action) || numbers_rows(action) || default_of(action).is_some_and(|default| is_volatile(&default))
        }
        _ => false,
    }
}

/// `GENERATED ALWAYS AS (…) STORED`.
pub(crate) fn is_stored(column: &SyntaxNode) -> bool {
    column.find(K::GENERATED_CONSTRAINT).is_some_and(|generated| generated.holds(K::STORED))
}

/// An identity or `serial`.
pub(crate) fn numbers_rows(column: &SyntaxNode) -> bool {
    column.holds(K::GENERATED_IDENTITY) || is_serial(column)
}

/// `serial`, of any size.
pub(crate) fn is_serial(column: &SyntaxNode) -> bool {
    const SERIALS: [&str; 6] = ["serial", "serial4", "serial8", "bigserial", "smallserial", "serial2"];
    column.child(K::PATH_TYPE).is_some_and(|kind| SERIALS.contains(&kind.name().as_str()))
}

/// The expression of a column's default.
pub(crate) fn default_of(column: &SyntaxNode) -> Option<SyntaxNode> {
    column.child(K::DEFAULT_CONSTRAINT)
}

/// Returns whether a default may differ between rows. PostgreSQL looks into its catalog. Here every function that is
/// not in the list counts as volatile.
pub(crate) fn is_volatile(default: &SyntaxNode) -> bool {
    const SAME_FOR_ALL: [&str; 22] = [
        "now",
        "transaction_timestamp",
        "statement_timestamp",
        "timezone",
        "current_setting",
        "current_database",
        "current_schema",
        "coalesce",
        "nullif",
        "lower",
        "upper",
        "concat",
        "format",
        "replace",
        "to_char",
        "date_trunc",
        "make_interval",
        "make_date",
        "jsonb_build_object",
        "jsonb_build_array",
        "to_jsonb",
        "array_fill",
    ];
    default.all(K::CALL_EXPR).any(|call| {
        let function = call.children().next().map(|name| name.name()).unwrap_or_default();
        !SAME_FOR_ALL.contains(&function.as_str())
    })
}
