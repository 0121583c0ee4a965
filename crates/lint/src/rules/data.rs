//! Row changes: in batches, and not in a transaction with a schema change.

use squawk_syntax::SyntaxKind as K;
use squawk_syntax::SyntaxNode;

use super::Rule;
use crate::locks::written_table;
use crate::script::Part;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "change-without-batches",
        like: "strong_migrations `backfill`",
        harm: "every row stays locked until the end, and the table grows by as many dead rows",
        fix: "some thousand rows per statement: WHERE id IN (SELECT id … ORDER BY id LIMIT 5000)",
        fails: "UPDATE \"Task\" SET note = '' WHERE note IS NULL;",
        passes: "UPDATE \"Task\" SET note = '' WHERE id IN (SELECT id FROM \"Task\" WHERE note IS NULL LIMIT 5000);",
        check: |context, part| {
            changes(part).any(|change| !is_bounded(&change) && is_on_used_table(context, part, &change))
                && !shares_a_schema_change(context, part)
        },
    },
    &Rule {
        id: "backfill-with-schema-change",
        like: "strong_migrations `backfill`",
        harm: "the lock of the schema change is held until all rows are changed",
        fix: "change the rows in a separate migration, in batches",
        fails: "BEGIN; ALTER TABLE \"Task\" ADD COLUMN note text; UPDATE \"Task\" SET note = ''; COMMIT;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;\n\
                 UPDATE \"Task\" SET note = '' WHERE id IN (SELECT id FROM \"Task\" WHERE note IS NULL LIMIT 5000);",
        check: |context, part| {
            changes(part).any(|change| is_on_used_table(context, part, &change))
                && shares_a_schema_change(context, part)
        },
    },
    &Rule {
        id: "truncate-cascade",
        like: "squawk `ban-truncate-cascade`",
        harm: "it empties tables that it does not name",
        fix: "TRUNCATE with all tables by name; a missing one makes it fail",
        fails: "TRUNCATE \"Agency\" CASCADE;",
        passes: "TRUNCATE \"Agency\", \"User\";",
        check: |_, part| part.is(K::TRUNCATE) && part.node.has(K::CASCADE),
    },
    &Rule {
        id: "lock-table",
        like: "",
        harm: "other sessions wait until the transaction ends",
        fix: "let each statement take its own lock; to exclude a second job, use pg_try_advisory_lock",
        fails: "BEGIN; LOCK TABLE \"Task\" IN ACCESS EXCLUSIVE MODE; COMMIT;",
        passes: "SELECT pg_try_advisory_xact_lock(1);",
        check: |_, part| part.is(K::LOCK),
    },
];

/// Returns the row changes of a part, including those in a `WITH`. The body of a new function or rule does not count.
fn changes(part: &Part) -> impl Iterator<Item = SyntaxNode> + use<> {
    const QUERIES: [K; 5] = [K::UPDATE, K::DELETE, K::SELECT, K::INSERT, K::EXPLAIN];
    let changes = part
        .is_one_of(&QUERIES)
        .then(|| part.node.descendants().filter(|node| matches!(node.kind(), K::UPDATE | K::DELETE)));
    changes.into_iter().flatten()
}

fn is_on_used_table(context: &crate::context::Context<'_>, part: &Part, change: &SyntaxNode) -> bool {
    written_table(change).is_none_or(|table| !context.script.made_before(part, &table))
}

/// Returns whether the rows are limited: by `LIMIT`, by a batch parameter, or to one key.
fn is_bounded(write: &SyntaxNode) -> bool {
    let Some(condition) = write.child(K::WHERE_CLAUSE) else { return write.has(K::WHERE_CURRENT_OF) };
    condition.holds(K::LIMIT_CLAUSE)
        || condition.holds(K::FETCH_CLAUSE)
        || condition.holds(K::POSITIONAL_PARAM)
        || condition.all(K::BIN_EXPR).any(|test| is_one_key(&test))
}

/// `id = 'x'`.
fn is_one_key(test: &SyntaxNode) -> bool {
    let sides: Vec<SyntaxNode> = test.children().collect();
    let [column, value] = sides.as_slice() else { return false };
    test.has(K::EQ) && column.name() == "id" && value.kind() == K::LITERAL
}

fn shares_a_schema_change(context: &crate::context::Context<'_>, part: &Part) -> bool {
    part.transaction.is_some()
        && context.script.parts.iter().any(|other| {
            other.transaction == part.transaction
                && other.node.parent().is_some_and(|parent| parent.kind() == K::ALTER_TABLE)
                && context.script.is_on_used_table(other)
        })
}
