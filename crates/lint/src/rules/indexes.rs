//! Indexes: created, dropped and rebuilt without blocking users of the table.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "index-not-concurrently",
        like: "squawk `require-concurrent-index-creation`, strong_migrations `add_index`, `add_reference`",
        harm: "writes to the table wait until the index is built",
        fix: "CREATE INDEX CONCURRENTLY IF NOT EXISTS …, outside a transaction",
        fails: "CREATE INDEX IF NOT EXISTS i ON \"Task\" (title);",
        passes: "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON \"Task\" (title);",
        check: |context, part| {
            part.is(K::CREATE_INDEX) && !part.node.has(K::CONCURRENTLY_KW) && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "drop-index-not-concurrently",
        like: "squawk `require-concurrent-index-deletion`, strong_migrations `remove_index`",
        harm: "reads and writes of the table wait for the drop",
        fix: "DROP INDEX CONCURRENTLY IF EXISTS …, outside a transaction",
        fails: "DROP INDEX IF EXISTS i;",
        passes: "DROP INDEX CONCURRENTLY IF EXISTS i;",
        check: |_, part| part.is(K::DROP_INDEX) && !part.node.has(K::CONCURRENTLY_KW),
    },
    &Rule {
        id: "reindex-not-concurrently",
        like: "squawk `require-concurrent-reindex`",
        harm: "writes to the table, and reads that use the index, wait until it is rebuilt",
        fix: "REINDEX INDEX CONCURRENTLY …, outside a transaction",
        fails: "REINDEX TABLE \"Task\";",
        passes: "REINDEX TABLE CONCURRENTLY \"Task\";",
        check: |_, part| part.is(K::REINDEX) && !part.node.holds(K::CONCURRENTLY_KW),
    },
    &Rule {
        id: "concurrently-in-transaction",
        like: "squawk `ban-concurrent-index-creation-in-transaction`",
        harm: "the server rejects it inside a transaction",
        fix: "send it as a single statement, in a migration without a transaction",
        fails: "BEGIN; CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON \"Task\" (title); COMMIT;",
        passes: "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON \"Task\" (title);",
        check: |_, part| {
            let alone = part.is_one_of(&[K::CREATE_INDEX, K::DROP_INDEX, K::REINDEX, K::DETACH_PARTITION]);
            alone && part.transaction.is_some() && part.node.holds(K::CONCURRENTLY_KW)
        },
    },
    &Rule {
        id: "refresh-not-concurrently",
        like: "",
        harm: "reads of the view wait until it is refreshed",
        fix: "create a unique index on the view, then REFRESH MATERIALIZED VIEW CONCURRENTLY …",
        fails: "REFRESH MATERIALIZED VIEW totals;",
        passes: "REFRESH MATERIALIZED VIEW CONCURRENTLY totals;",
        check: |_, part| part.is(K::REFRESH) && !part.node.has(K::CONCURRENTLY_KW),
    },
    &Rule {
        id: "detach-not-concurrently",
        like: "squawk `require-concurrent-partition-detach`",
        harm: "reads and writes of the whole partitioned table wait",
        fix: "DETACH PARTITION … CONCURRENTLY, outside a transaction",
        fails: "ALTER TABLE \"Event\" DETACH PARTITION event_2024;",
        passes: "ALTER TABLE \"Event\" DETACH PARTITION event_2024 CONCURRENTLY;",
        check: |_, part| {
            part.is(K::DETACH_PARTITION)
                && !part.node.holds(K::DETACH_CONCURRENTLY)
                && !part.node.holds(K::DETACH_FINALIZE)
        },
    },
];
