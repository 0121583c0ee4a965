//! Constraints: must not be added with a table scan under a strong lock.

use squawk_syntax::SyntaxKind as K;

use super::Rule;
use crate::context::Context;
use crate::script::Part;
use crate::tree::Tree;

pub(super) const RULES: &[&Rule] = &[
    &Rule {
        id: "foreign-key-validated-at-once",
        like: "squawk `adding-foreign-key-constraint`, `constraint-missing-not-valid`, strong_migrations `add_foreign_key`",
        harm: "writes to both tables wait until every row is checked",
        fix: "ADD CONSTRAINT … FOREIGN KEY … NOT VALID, then VALIDATE CONSTRAINT in another transaction",
        fails: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k FOREIGN KEY (\"userId\") REFERENCES \"User\" (id);",
        passes: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k FOREIGN KEY (\"userId\") REFERENCES \"User\" (id) NOT VALID;\n\
                 ALTER TABLE \"Task\" VALIDATE CONSTRAINT k;",
        check: |context, part| {
            is_validated(context, part, K::FOREIGN_KEY_CONSTRAINT)
                || part.is(K::ADD_COLUMN)
                    && part.node.has(K::REFERENCES_CONSTRAINT)
                    && part.node.has(K::DEFAULT_CONSTRAINT)
                    && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "check-validated-at-once",
        like: "squawk `constraint-missing-not-valid`, strong_migrations `add_check_constraint`",
        harm: "reads and writes wait until every row is checked",
        fix: "ADD CONSTRAINT … CHECK (…) NOT VALID, then VALIDATE CONSTRAINT in another transaction",
        fails: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (title <> '');",
        passes: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (title <> '') NOT VALID;\n\
                 ALTER TABLE \"Task\" VALIDATE CONSTRAINT k;",
        check: |context, part| is_validated(context, part, K::CHECK_CONSTRAINT),
    },
    &Rule {
        id: "validated-in-same-transaction",
        like: "strong_migrations `validate_check_constraint`, `validate_foreign_key`",
        harm: "the strong lock of ADD CONSTRAINT is held while every row is checked",
        fix: "VALIDATE CONSTRAINT in a separate transaction",
        fails: "BEGIN; ALTER TABLE \"Task\" ADD CONSTRAINT k CHECK (title <> '') NOT VALID; ALTER TABLE \"Task\" VALIDATE CONSTRAINT k; COMMIT;",
        passes: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (title <> '') NOT VALID;\n\
                 ALTER TABLE \"Task\" VALIDATE CONSTRAINT k;",
        check: |context, part| {
            let added_with = |other: &Part| {
                other.is(K::ADD_CONSTRAINT)
                    && other.table == part.table
                    && (other.statement == part.statement
                        || other.transaction.is_some() && other.transaction == part.transaction)
                    && other.node.names(K::CONSTRAINT_NAME) == part.node.names(K::CONSTRAINT_NAME_REF)
            };
            part.is(K::VALIDATE_CONSTRAINT) && context.script.before(part).any(added_with)
        },
    },
    &Rule {
        id: "not-null-with-scan",
        like: "squawk `adding-not-nullable-field`, strong_migrations `change_column_null`",
        harm: "reads and writes wait until every row is checked",
        fix: "CHECK (… IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT, then SET NOT NULL, which needs no scan, then drop the check",
        fails: "ALTER TABLE \"Task\" ALTER COLUMN title SET NOT NULL;",
        passes: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (title IS NOT NULL) NOT VALID;\n\
                 ALTER TABLE \"Task\" VALIDATE CONSTRAINT k;\nALTER TABLE \"Task\" ALTER COLUMN title SET NOT NULL;\n\
                 ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k;",
        check: |context, part| {
            part.is(K::ALTER_COLUMN)
                && part.node.has(K::SET_NOT_NULL)
                && context.script.is_on_used_table(part)
                && !has_valid_check(context, part)
        },
    },
    &Rule {
        id: "required-column",
        like: "squawk `adding-required-field`, `adding-not-nullable-field`",
        harm: "it fails on a table with rows, and the old code's inserts fail",
        fix: "a constant default, or nullable first, filled in batches, NOT NULL last",
        fails: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text NOT NULL;",
        passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text NOT NULL DEFAULT '';",
        check: |context, part| {
            part.is(K::ADD_COLUMN)
                && part.node.has(K::NOT_NULL_CONSTRAINT)
                && !part.node.has(K::DEFAULT_CONSTRAINT)
                && !part.node.has(K::GENERATED_CONSTRAINT)
                && !crate::locks::numbers_rows(&part.node)
                && context.script.is_on_used_table(part)
        },
    },
    &Rule {
        id: "unique-with-scan",
        like: "squawk `disallowed-unique-constraint`, strong_migrations `add_unique_constraint`",
        harm: "reads and writes wait until the index is built",
        fix: "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … UNIQUE USING INDEX",
        fails: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k UNIQUE (title);",
        passes: "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS k ON \"Task\" (title);\n\
                 ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k UNIQUE USING INDEX k;",
        check: |context, part| builds_index(context, part, K::UNIQUE_CONSTRAINT),
    },
    &Rule {
        id: "primary-key-with-scan",
        like: "squawk `adding-serial-primary-key-field`, strong_migrations `add_primary_key`",
        harm: "reads and writes wait until the index is built",
        fix: "CREATE UNIQUE INDEX CONCURRENTLY, then ADD CONSTRAINT … PRIMARY KEY USING INDEX",
        fails: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k PRIMARY KEY (id);",
        passes: "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS k ON \"Task\" (id);\n\
                 ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k PRIMARY KEY USING INDEX k;",
        check: |context, part| builds_index(context, part, K::PRIMARY_KEY_CONSTRAINT),
    },
    &Rule {
        id: "exclusion-constraint",
        like: "strong_migrations `add_exclusion_constraint`",
        harm: "reads and writes wait until its index is built, and the index cannot be built in advance",
        fix: "a new table with the constraint; then move the rows in batches",
        fails: "ALTER TABLE \"Task\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k EXCLUDE USING gist (period WITH &&);",
        passes: "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON \"Task\" USING gist (period);",
        check: |context, part| adds(part, K::EXCLUDE_CONSTRAINT) && context.script.is_on_used_table(part),
    },
    &Rule {
        id: "domain-constraint",
        like: "squawk `ban-create-domain-with-constraint`, `ban-alter-domain-with-add-constraint`",
        harm: "each change scans every table with a column of this domain, under a lock",
        fix: "the base type with a CHECK on the column",
        fails: "CREATE DOMAIN address AS text CHECK (VALUE LIKE '%@%');",
        passes: "ALTER TABLE \"User\" DROP CONSTRAINT IF EXISTS k, ADD CONSTRAINT k CHECK (email LIKE '%@%') NOT VALID;\n\
                 ALTER TABLE \"User\" VALIDATE CONSTRAINT k;",
        check: |_, part| {
            part.is_one_of(&[K::CREATE_DOMAIN, K::ALTER_DOMAIN])
                && (part.node.holds(K::CHECK_CONSTRAINT) || part.node.holds(K::NOT_NULL_CONSTRAINT))
        },
    },
];

/// Returns whether the part adds a column or constraint of this kind.
fn adds(part: &Part, kind: K) -> bool {
    part.is_one_of(&[K::ADD_CONSTRAINT, K::ADD_COLUMN]) && part.node.has(kind)
}

/// Returns whether the constraint's index is built while the table is locked.
fn builds_index(context: &Context<'_>, part: &Part, kind: K) -> bool {
    adds(part, kind) && !part.node.holds(K::USING_INDEX_NAME) && context.script.is_on_used_table(part)
}

/// Returns whether adding the constraint checks the existing rows.
fn is_validated(context: &Context<'_>, part: &Part, kind: K) -> bool {
    part.is(K::ADD_CONSTRAINT)
        && part.node.has(kind)
        && !part.node.holds(K::NOT_VALID)
        && context.script.is_on_used_table(part)
}

/// Returns whether a check of `IS NOT NULL` was validated earlier. PostgreSQL 12 and later then need no scan.
fn has_valid_check(context: &Context<'_>, part: &Part) -> bool {
    let column = part.node.child(K::COLUMN_NAME_REF).map(|column| column.name()).unwrap_or_default();
    let checks = context.script.before(part).filter(|other| {
        other.table == part.table
            && other.node.child(K::CHECK_CONSTRAINT).is_some_and(|check| excludes_null(&check, &column))
    });
    let mut names = checks.flat_map(|check| check.node.names(K::CONSTRAINT_NAME));
    names.any(|name| {
        context.script.before(part).any(|other| {
            other.is(K::VALIDATE_CONSTRAINT)
                && other.table == part.table
                && other.node.names(K::CONSTRAINT_NAME_REF) == [name.clone()]
        })
    })
}

/// Matches `column IS NOT NULL`, alone or joined to other conditions by `AND`.
fn excludes_null(check: &squawk_syntax::SyntaxNode, column: &str) -> bool {
    let not_null = check.all(K::BIN_EXPR).filter(|test| {
        test.has(K::IS_NOT)
            && test.children().next().is_some_and(|left| left.name() == column)
            && test.children().last().is_some_and(|right| right.words().eq_ignore_ascii_case("null"))
    });
    let mut not_null = not_null;
    not_null.any(|test| {
        let mut above = test.ancestors().skip(1).take_while(|node| node.kind() != K::CHECK_CONSTRAINT);
        above.all(|node| node.kind() == K::PAREN_EXPR || node.kind() == K::BIN_EXPR && node.has(K::AND_KW))
    })
}
