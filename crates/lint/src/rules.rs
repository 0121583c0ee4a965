//! The rules, a table of them for each kind of harm.

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

/// What is looked for, why, and what to write instead.
pub struct Rule {
    /// Its name, as findings and `-- rylie-lint: allow` have it.
    pub id: &'static str,
    /// What other linters call it; empty where it is ours alone.
    pub like: &'static str,
    /// What it harms.
    pub harm: &'static str,
    /// What to write instead.
    pub fix: &'static str,
    /// SQL that breaks this rule and no other.
    pub fails: &'static str,
    /// SQL that does the same and breaks none.
    pub passes: &'static str,
    /// Whether this part breaks it.
    pub(crate) check: fn(&Context<'_>, &Part) -> bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rule").field(&self.id).finish()
    }
}

/// Every rule.
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

/// What other linters look for and this one does not, and why.
pub const NOT_RULES: &[(&str, &str)] = &[
    (
        "squawk `prefer-timestamp-tz`",
        "the platform's tables keep UTC in `timestamp(3)`; two kinds beside each other would be compared in the session's time zone",
    ),
    (
        "squawk `prefer-bigint-over-int`, `prefer-bigint-over-smallint`",
        "keys are text; counters of a month and years fit (a key that is a number is `integer-key`)",
    ),
    ("squawk `require-table-schema`", "migrations run with `search_path = public`"),
    (
        "squawk `require-statement-timeout`",
        "a validation or a concurrent build takes as long as it takes and blocks nobody; what must be short is the wait for a lock (`no-lock-timeout`)",
    ),
    ("squawk `require-enum-value-ordering`", "nothing is sorted by a label"),
    ("squawk `ban-duplicate-column-assignments`", "the server refuses it"),
    (
        "squawk `ban-add-column`, `ban-create-policy`, `ban-add-enum-value`, `ban-revoke` and its other opt-in rules for a frozen schema",
        "they forbid the change itself, not a way of making it",
    ),
    (
        "strong_migrations `add_index` of more than three columns",
        "the lists' indexes are led by the tenant and end in the key, on purpose",
    ),
    ("strong_migrations `execute`", "all of it is SQL, and is read"),
    ("strong_migrations `create_table` with `force`", "it is a `DROP TABLE`: `drop-table`"),
];

/// A column of a new table, or one that is added.
pub(crate) const COLUMNS: [K; 2] = [K::COLUMN, K::ADD_COLUMN];
