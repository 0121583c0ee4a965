//! The rules, in one table for each kind of harm.

mod constraints;
mod data;
mod indexes;
mod reading;
mod removals;
mod renames;
mod rewrites;
mod security;
mod tenancy;
mod transactions;
mod types;

use squawk_syntax::SyntaxKind as K;

use crate::context::Context;
use crate::script::Part;

pub(crate) use reading::{ALLOWANCE_WITHOUT_REASON, IDLE_ALLOWANCE, UNPARSED};

/// A rule: the statements it reports, the reason, and the replacement.
pub struct Rule {
    /// The name in findings and in `-- rylie-lint: allow`.
    pub id: &'static str,
    /// The names in other linters; empty if only this linter has the rule.
    pub like: &'static str,
    /// The harm of a violation.
    pub harm: &'static str,
    /// The replacement.
    pub fix: &'static str,
    /// SQL that breaks this rule and no other.
    pub fails: &'static str,
    /// SQL with the same effect that breaks no rule.
    pub passes: &'static str,
    /// Returns whether this part breaks the rule.
    pub(crate) check: fn(&Context<'_>, &Part) -> bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rule").field(&self.id).finish()
    }
}

/// Returns every rule.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    let tables = [
        indexes::RULES,
        constraints::RULES,
        rewrites::RULES,
        data::RULES,
        transactions::RULES,
        removals::RULES,
        renames::RULES,
        types::RULES,
        tenancy::RULES,
        security::RULES,
        reading::RULES,
    ];
    tables.into_iter().flatten().copied()
}

/// Rules of other linters that this one does not have, with the reason.
pub const NOT_RULES: &[(&str, &str)] = &[
    (
        "squawk `prefer-timestamp-tz`",
        "the platform's tables store UTC in `timestamp(3)`; comparing the two types would depend on the session's time zone",
    ),
    (
        "squawk `prefer-bigint-over-int`, `prefer-bigint-over-smallint`",
        "keys are text; monthly counters and years fit (`integer-key` covers numeric keys)",
    ),
    ("squawk `require-table-schema`", "migrations run with `search_path = public`"),
    (
        "squawk `require-statement-timeout`",
        "a validation or a concurrent build may take long and blocks no one; only the wait for a lock must be short (`no-lock-timeout`)",
    ),
    ("squawk `require-enum-value-ordering`", "no query sorts by a label"),
    ("squawk `ban-duplicate-column-assignments`", "the server rejects it"),
    (
        "squawk `ban-add-column`, `ban-create-policy`, `ban-add-enum-value`, `ban-revoke` and its other opt-in rules for a frozen schema",
        "they forbid the change itself, not one way of making it",
    ),
    (
        "strong_migrations `add_index` of more than three columns",
        "the lists' indexes begin with the tenant and end in the key by design",
    ),
    ("strong_migrations `execute`", "all migrations are SQL, which this linter reads"),
    ("strong_migrations `create_table` with `force`", "it is a `DROP TABLE`: `drop-table`"),
];

/// A column of a new table, or an added column.
pub(crate) const COLUMNS: [K; 2] = [K::COLUMN, K::ADD_COLUMN];
