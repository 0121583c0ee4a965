//! Names that the running code knows.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "rename-column",
        like: "squawk `renaming-column`, strong_migrations `rename_column`",
        harm: "running code that knows the old name fails",
        fix: "a new column, filled by a trigger and in batches; move the code over; drop the old one later",
        fails: "ALTER TABLE \"Task\" RENAME COLUMN title TO name;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS name text;",
        check: |context, part| part.is(K::RENAME_COLUMN) && context.script.is_on_used_table(part),
    },
    &Rule {
        id: "rename-table",
        like: "squawk `renaming-table`, strong_migrations `rename_table`",
        harm: "running code that knows the old name fails",
        fix: "keep the name; or, when nothing else will do, rename it and put a view with security_invoker under the old name in one transaction",
        fails: "ALTER TABLE \"Task\" RENAME TO \"Job\";",
        passes: "COMMENT ON TABLE \"Task\" IS 'a job';",
        check: |context, part| part.is(K::TABLE_RENAME_TO) && context.script.is_on_used_table(part),
    },
    &Rule {
        id: "rename-object",
        like: "squawk `renaming-object`, strong_migrations `rename_schema`",
        harm: "running code that knows the old name fails",
        fix: "make the new one beside it; move the code over; drop the old one later",
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
        harm: "running code that looks in the old schema fails",
        fix: "make it anew in the other schema; move the code over; drop the old one later",
        fails: "ALTER TABLE \"Task\" SET SCHEMA archive;",
        passes: "CREATE SCHEMA IF NOT EXISTS archive;",
        check: |_, part| part.is(K::SET_SCHEMA) || part.node.has(K::SET_SCHEMA) && !part.is(K::ALTER_TABLE),
    },
    &Rule {
        id: "name-too-long",
        like: "squawk `identifier-too-long`",
        harm: "PostgreSQL cuts names after 63 bytes: two long ones become one, and IF NOT EXISTS looks for another",
        fix: "a name of at most 63 bytes",
        fails: "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"SearchConsoleConnection_tenantId_createdAt_and_everything_else_idx\" ON \"Task\" (title);",
        passes: "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"SearchConsoleConnection_idx\" ON \"Task\" (title);",
        check: |_, part| {
            let mut names = part.node.tokens().filter(|word| word.kind() == K::IDENT);
            names.any(|name| crate::tree::identifier(name.text()).len() > 63)
        },
    },
];
