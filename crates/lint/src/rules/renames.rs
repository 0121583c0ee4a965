//! Names that running code uses.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "rename-column",
        like: "squawk `renaming-column`, strong_migrations `rename_column`",
        harm: "running code that uses the old name fails",
        fix: "a new column, filled by a trigger and in batches; move the code over; drop the old one later",
        fails: "ALTER TABLE \"Task\" RENAME COLUMN title TO name;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS name text;",
        check: |context, part| part.is(K::RENAME_COLUMN) && context.script.is_on_used_table(part),
    },
    &Rule {
        id: "rename-table",
        like: "squawk `renaming-table`, strong_migrations `rename_table`",
        harm: "running code that uses the old name fails",
        fix: "keep the name; if it must change, rename the table and create a view with security_invoker under the old name, in one transaction",
        fails: "ALTER TABLE \"Task\" RENAME TO \"Job\";",
        passes: "COMMENT ON TABLE \"Task\" IS 'a job';",
        check: |context, part| part.is(K::TABLE_RENAME_TO) && context.script.is_on_used_table(part),
    },
    &Rule {
        id: "rename-object",
        like: "squawk `renaming-object`, strong_migrations `rename_schema`",
        harm: "running code that uses the old name fails",
        fix: "create a second object with the new name; move the code over; drop the old one later",
        fails: "ALTER SCHEMA reports RENAME TO archive;",
        passes: "CREATE SCHEMA IF NOT EXISTS archive;",
        check: |_, part| {
            part.is_one_of(&[
                K::ALTER_SCHEMA,
                K::ALTER_DATABASE,
                K::ALTER_TYPE,
                K::ALTER_VIEW,
                K::ALTER_MATERIALIZED_VIEW,
                K::ALTER_FUNCTION,
                K::ALTER_SEQUENCE,
                K::ALTER_ROLE,
            ]) && part.node.holds(K::RENAME_KW)
        },
    },
    &Rule {
        id: "other-schema",
        like: "squawk `ban-set-schema`",
        harm: "running code that uses the old schema fails",
        fix: "create it in the other schema as well; move the code over; drop the old one later",
        fails: "ALTER TABLE \"Task\" SET SCHEMA archive;",
        passes: "CREATE SCHEMA IF NOT EXISTS archive;",
        check: |_, part| part.is(K::SET_SCHEMA) || part.node.has(K::SET_SCHEMA) && !part.is(K::ALTER_TABLE),
    },
    &Rule {
        id: "name-too-long",
        like: "squawk `identifier-too-long`",
        harm: "PostgreSQL truncates names to 63 bytes: two long names may collide, and IF NOT EXISTS checks the truncated name",
        fix: "a name of at most 63 bytes",
        fails: "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"SearchConsoleConnection_tenantId_createdAt_and_everything_else_idx\" ON \"Task\" (title);",
        passes: "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"SearchConsoleConnection_idx\" ON \"Task\" (title);",
        check: |_, part| {
            let mut names = part.node.tokens().filter(|word| word.kind() == K::IDENT);
            names.any(|name| crate::tree::identifier(name.text()).len() > 63)
        },
    },
];
