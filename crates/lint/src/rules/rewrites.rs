//! Rewrites of a whole table while reads and writes wait.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::locks::{default_of, is_stored, is_volatile, numbers_rows};
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "volatile-default",
        like: "squawk `adding-field-with-default`, strong_migrations `add_column_default`",
        harm: "every row is rewritten while reads and writes wait",
        fix: "ADD COLUMN without a default, ALTER COLUMN … SET DEFAULT, then fill old rows in batches",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS token text DEFAULT gen_random_uuid()::text;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS token text;\nALTER TABLE \"Task\" ALTER COLUMN token SET DEFAULT gen_random_uuid()::text;",
        check: |context, part| {
            part.is(K::ADD_COLUMN)
                && default_of(&part.node).is_some_and(|default| is_volatile(&default))
                && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "change-of-type",
        like: "squawk `changing-column-type`, strong_migrations `change_column`",
        harm: "every row and index is rewritten while reads and writes wait, and the old code reads a different type",
        fix: "a new column of the new type, filled by a trigger and in batches; move the code over; drop the old one later",
        fails: "ALTER TABLE \"Task\" ALTER COLUMN priority TYPE bigint;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS rank bigint;",
        check: |context, part| {
            part.is(K::ALTER_COLUMN) && part.node.has(K::SET_TYPE) && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "stored-column",
        like: "squawk `adding-field-with-default`, strong_migrations `add_column_generated_stored`",
        harm: "every row is rewritten while reads and writes wait",
        fix: "a plain column, a trigger that fills it in, and old rows in batches",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS length integer GENERATED ALWAYS AS (length(title)) STORED;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS length integer;",
        check: |context, part| part.is(K::ADD_COLUMN) && is_stored(&part.node) && context.script.is_on_used_table(part),
    },
    &Rule {
        id: "numbered-column",
        like: "squawk `adding-serial-primary-key-field`, strong_migrations `add_column_auto_incrementing`",
        harm: "every row is rewritten to number it, while reads and writes wait",
        fix: "a plain bigint column and a sequence; SET DEFAULT nextval(…), then number old rows in batches",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS number bigint GENERATED ALWAYS AS IDENTITY;",
        passes: "CREATE SEQUENCE IF NOT EXISTS task_number;\nALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS number bigint;\n\
                 ALTER TABLE \"Task\" ALTER COLUMN number SET DEFAULT nextval('task_number');",
        check: |context, part| {
            part.is(K::ADD_COLUMN) && numbers_rows(&part.node) && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "change-of-storage",
        like: "",
        harm: "every row is rewritten while reads and writes wait; an unlogged table is empty after a crash",
        fix: "a new table with this storage; then move the rows in batches",
        fails: "ALTER TABLE \"Task\" SET UNLOGGED;",
        passes: "ALTER TABLE \"Task\" SET (fillfactor = 90);",
        check: |context, part| {
            part.is_one_of(&[K::SET_LOGGED, K::SET_UNLOGGED, K::SET_ACCESS_METHOD, K::SET_TABLESPACE])
                && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "vacuum-full",
        like: "squawk `prefer-repack`",
        harm: "the table is rewritten while reads and writes wait",
        fix: "VACUUM, which blocks no one; pg_repack to return space to the system",
        fails: "VACUUM FULL \"Task\";",
        passes: "VACUUM (ANALYZE) \"Task\";",
        check: |_, part| part.is(K::CLUSTER) || part.is(K::VACUUM) && is_full(&part.node),
    },
];

/// Matches `VACUUM FULL` and `VACUUM (FULL)`.
fn is_full(vacuum: &squawk_syntax::SyntaxNode) -> bool {
    vacuum.holds(K::FULL_KW) || vacuum.names(K::VACUUM_OPTION_NAME).iter().any(|option| option == "full")
}
