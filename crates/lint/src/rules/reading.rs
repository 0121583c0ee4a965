//! What could not be looked at.

use squawk_syntax::SyntaxKind as K;

use super::Rule;

pub(super) const RULES: &[&Rule] = &[&UNPARSED, &DYNAMIC, &ALLOWANCE_WITHOUT_REASON, &IDLE_ALLOWANCE];

/// Kept by the reader, so that no statement passes unseen.
pub(crate) static UNPARSED: Rule = Rule {
    id: "unparsed",
    like: "",
    harm: "this cannot be read, so nothing is known of it",
    fix: "correct it; psql's own commands (\\copy, \\i) do not belong in a migration",
    fails: "ALTER TABEL \"Task\" ADD COLUMN note text;",
    passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;",
    check: |_, _| false,
};

static DYNAMIC: Rule = Rule {
    id: "dynamic-sql",
    like: "",
    harm: "the statement is put together when it runs, so nothing is known of it",
    fix: "write it out, or as the template of format(): EXECUTE format('DROP TABLE %I', name)",
    fails: "DO $$ DECLARE wanted text := current_setting('x'); BEGIN EXECUTE wanted; END $$;",
    passes: "DO $$ DECLARE wanted text := current_setting('x'); BEGIN EXECUTE format('ANALYZE %I', wanted); END $$;",
    check: |_, part| part.is(K::PLPGSQL_DYN_EXECUTE_STMT),
};

/// Kept by the allowances.
pub(crate) static ALLOWANCE_WITHOUT_REASON: Rule = Rule {
    id: "allowance-without-reason",
    like: "",
    harm: "this allows nothing: an allowance names rules and a reason",
    fix: "-- rylie-lint: allow <rule>[, <rule>] because <reason>",
    fails: "-- rylie-lint: allow drop-table\nSELECT 1;",
    passes: "-- rylie-lint: allow drop-table because nothing reads it since the release of May\nDROP TABLE IF EXISTS \"Report\";",
    check: |_, _| false,
};

/// Kept by the allowances.
pub(crate) static IDLE_ALLOWANCE: Rule = Rule {
    id: "idle-allowance",
    like: "squawk `unused-ignore`",
    harm: "the statement below does not break this rule, or there is no such rule",
    fix: "remove the comment, or put it right before the statement it is about",
    fails: "-- rylie-lint: allow drop-table because nothing reads it\nSELECT 1;",
    passes: "-- rylie-lint: allow drop-table because nothing reads it\nDROP TABLE IF EXISTS \"Report\";",
    check: |_, _| false,
};
