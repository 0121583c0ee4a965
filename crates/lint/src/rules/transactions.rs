//! Transactions, lock timeouts, and repeatable statements.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::context::Context;
use crate::locks::{self, Blocks};
use crate::script::Part;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "no-lock-timeout",
        like: "squawk `require-lock-timeout`, strong_migrations `lock_timeout`",
        harm: "while it waits for its lock, all later statements on the table wait as well",
        fix: "SET lock_timeout = '2s' first, and retry after a timeout",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;",
        passes: "SET lock_timeout = '2s';\nALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;",
        check: |context, part| {
            blocks_others(context, part)
                && !context.script.limits_locks
                && !context
                    .script
                    .before(part)
                    .any(|other| sets(other, "lock_timeout") || blocks_others(context, other))
        },
    },
    &Rule {
        id: "not-robust",
        like: "squawk `prefer-robust-stmts`",
        harm: "without a transaction, an interrupted script is run again and fails at the statements already applied",
        fix: "IF [NOT] EXISTS, OR REPLACE, or DROP CONSTRAINT IF EXISTS x, ADD CONSTRAINT x in one statement",
        fails: "ALTER TABLE \"Task\" ADD COLUMN note text;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;",
        check: |context, part| part.transaction.is_none() && !bears_being_sent_twice(context, part),
    },
    &Rule {
        id: "nested-transaction",
        like: "squawk `transaction-nesting`",
        harm: "transactions do not nest: the first COMMIT ends both",
        fix: "one BEGIN, one COMMIT",
        fails: "BEGIN; BEGIN; SELECT 1; COMMIT;",
        passes: "BEGIN; SELECT 1; COMMIT;",
        check: |context, part| {
            let opened = |parts: Vec<&Part>| {
                parts.iter().rev().find(|other| ends_or_begins(other)).is_some_and(|last| last.is(K::BEGIN))
            };
            let before: Vec<&Part> = context.script.before(part).collect();
            let whole = context.script.parts.first().is_some_and(|first| first.transaction == Some(0));
            part.is(K::BEGIN) && (whole || opened(before))
        },
    },
    &Rule {
        id: "uncommitted-transaction",
        like: "squawk `ban-uncommitted-transaction`",
        harm: "its changes are lost, or its locks are held until the session ends",
        fix: "COMMIT",
        fails: "BEGIN; SELECT 1;",
        passes: "BEGIN; SELECT 1; COMMIT;",
        check: |context, part| part.is(K::BEGIN) && !context.script.after(part).any(ends_or_begins),
    },
];

/// Returns whether readers or writers wait for it.
fn blocks_others(context: &Context<'_>, part: &Part) -> bool {
    let effect = locks::of_part(part);
    let strong = effect.locks.iter().filter(|locked| locked.mode.blocks() >= Some(Blocks::Writes));
    effect.unknown
        || strong
            .filter(|locked| !makes(part, &locked.relation))
            .any(|locked| !context.script.made_before(part, &locked.relation))
}

fn makes(part: &Part, table: &str) -> bool {
    part.is_one_of(&[K::CREATE_TABLE, K::CREATE_TABLE_AS]) && part.is_on(table)
}

fn sets(part: &Part, setting: &str) -> bool {
    part.is(K::SET) && part.node.names(K::CONFIG_PARAMETER_REF) == [setting]
}

fn ends_or_begins(part: &Part) -> bool {
    part.is_one_of(&[K::BEGIN, K::COMMIT_TRANSACTION, K::ROLLBACK_TRANSACTION, K::PREPARE_TRANSACTION])
}

fn bears_being_sent_twice(context: &Context<'_>, part: &Part) -> bool {
    let node = &part.node;
    let if_missing = node.has(K::IF_NOT_EXISTS) || node.has(K::OR_REPLACE);
    match node.kind() {
        K::ADD_COLUMN
        | K::CREATE_INDEX
        | K::CREATE_TABLE
        | K::CREATE_TABLE_AS
        | K::CREATE_SEQUENCE
        | K::CREATE_SCHEMA
        | K::CREATE_EXTENSION
        | K::CREATE_MATERIALIZED_VIEW
        | K::CREATE_STATISTICS
        | K::CREATE_FUNCTION
        | K::CREATE_PROCEDURE
        | K::CREATE_VIEW => if_missing,
        K::CREATE_TRIGGER | K::CREATE_RULE => if_missing || dropped_before(context, part, drop_of(part)),
        K::CREATE_POLICY => dropped_before(context, part, K::DROP_POLICY),
        K::ADD_CONSTRAINT => {
            let names = node.names(K::CONSTRAINT_NAME);
            let dropped =
                |other: &Part| other.is(K::DROP_CONSTRAINT) && other.node.names(K::CONSTRAINT_NAME_REF) == names;
            context.script.before(part).any(|other| other.table == part.table && dropped(other))
        }
        K::DROP_TABLE
        | K::DROP_INDEX
        | K::DROP_COLUMN
        | K::DROP_CONSTRAINT
        | K::DROP_TYPE
        | K::DROP_SCHEMA
        | K::DROP_SEQUENCE
        | K::DROP_VIEW
        | K::DROP_MATERIALIZED_VIEW
        | K::DROP_FUNCTION
        | K::DROP_PROCEDURE
        | K::DROP_TRIGGER
        | K::DROP_POLICY
        | K::DROP_RULE
        | K::DROP_EXTENSION
        | K::DROP_DOMAIN => node.has(K::IF_EXISTS),
        K::ALTER_TYPE => node.find(K::ADD_VALUE).is_none_or(|value| value.has(K::IF_NOT_EXISTS)),
        _ => true,
    }
}

fn drop_of(part: &Part) -> K {
    if part.is(K::CREATE_TRIGGER) { K::DROP_TRIGGER } else { K::DROP_RULE }
}

/// Returns whether the same object was dropped earlier.
fn dropped_before(context: &Context<'_>, part: &Part, drop: K) -> bool {
    let name = part
        .node
        .children()
        .find(|child| matches!(child.kind(), K::TRIGGER | K::RULE | K::POLICY))
        .map(|name| name.name());
    context.script.before(part).any(|other| {
        let same =
            other.node.children().find(|child| matches!(child.kind(), K::TRIGGER_REF | K::RULE_REF | K::POLICY_REF));
        other.is(drop) && same.map(|name| name.name()) == name
    })
}
