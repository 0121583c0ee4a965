//! SQL that could not be checked, and invalid allowances.

use squawk_syntax::SyntaxKind as K;

use super::Rule;

pub(super) const RULES: &[&Rule] = &[&UNPARSED, &DYNAMIC, &ALLOWANCE_WITHOUT_REASON, &IDLE_ALLOWANCE];

/// The reader reports it, so that no statement is skipped.
pub(crate) static UNPARSED: Rule = Rule {
    id: "unparsed",
    like: "",
    harm: "the parser cannot read this, so no rule was checked",
    fix: "fix the syntax; remove psql commands (\\copy, \\i)",
    fails: "ALTER TABEL \"Task\" ADD COLUMN note text;",
    passes: "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS note text;",
    check: |_, _| false,
};

static DYNAMIC: Rule = Rule {
    id: "dynamic-sql",
    like: "",
    harm: "the statement is composed at run time, so no rule was checked",
    fix: "write the statement out, or use a template of format(): EXECUTE format('DROP TABLE %I', name)",
    fails: "DO $$ DECLARE wanted text := current_setting('x'); BEGIN EXECUTE wanted; END $$;",
    passes: "DO $$ DECLARE wanted text := current_setting('x'); BEGIN EXECUTE format('ANALYZE %I', wanted); END $$;",
    check: |_, part| part.is(K::PLPGSQL_DYN_EXECUTE_STMT),
};

/// Reported for comments, not for parts.
pub(crate) static ALLOWANCE_WITHOUT_REASON: Rule = Rule {
    id: "allowance-without-reason",
    like: "",
    harm: "this allows nothing: an allowance needs rules and a reason",
    fix: "-- rylie-lint: allow <rule>[, <rule>] because <reason>",
    fails: "-- rylie-lint: allow drop-table\nSELECT 1;",
    passes: "-- rylie-lint: allow drop-table because nothing reads it since the release of May\nDROP TABLE IF EXISTS \"Report\";",
    check: |_, _| false,
};

/// Reported for comments, not for parts.
pub(crate) static IDLE_ALLOWANCE: Rule = Rule {
    id: "idle-allowance",
    like: "squawk `unused-ignore`",
    harm: "the statement below does not break this rule, or there is no such rule",
    fix: "remove the comment, or move it directly above its statement",
    fails: "-- rylie-lint: allow drop-table because nothing reads it\nSELECT 1;",
    passes: "-- rylie-lint: allow drop-table because nothing reads it\nDROP TABLE IF EXISTS \"Report\";",
    check: |_, _| false,
};
