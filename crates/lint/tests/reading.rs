//! How scripts are read: positions, blocks, allowances, and unreadable text.

use rylie_lint::{Script, lint, rules};

/// Returns `line:column rule` of each finding.
fn found(sql: &str) -> Vec<String> {
    let findings = lint(&[Script::file("a.sql", format!("SET lock_timeout = '2s';\n{sql}"))]);
    findings.iter().map(|finding| format!("{}:{} {}", finding.line - 1, finding.column, finding.rule)).collect()
}

#[test]
fn a_finding_names_the_line_and_the_column_in_characters() {
    assert_eq!(
        found("SELECT 'ü'; DROP TABLE IF EXISTS a;\n\n  /* why */ DROP TABLE IF EXISTS b;"),
        ["1:13 drop-table", "3:13 drop-table"]
    );
}

#[test]
fn a_finding_is_one_line_with_its_replacement() {
    let findings = lint(&[Script::file("db/a.sql", "DROP INDEX IF EXISTS i;")]);
    let line = findings.first().map(ToString::to_string).unwrap_or_default();
    assert!(line.starts_with("db/a.sql:1:1: ") && line.contains("instead: DROP INDEX CONCURRENTLY"), "{line}");
}

#[test]
fn each_action_of_an_alter_table_is_checked() {
    let sql = "ALTER TABLE \"Task\" ADD COLUMN IF NOT EXISTS a json,\n  DROP COLUMN IF EXISTS b;";
    assert_eq!(found(sql), ["1:20 json-column", "2:3 drop-column"]);
}

#[test]
fn a_finding_in_a_block_has_its_own_position() {
    let sql = "DO $$\nBEGIN\n  IF true THEN\n    DROP TABLE \"Task\";\n  END IF;\nEND $$;";
    assert_eq!(found(sql), ["4:5 drop-table"]);
}

#[test]
fn text_that_a_block_executes_is_checked() {
    assert_eq!(found("DO $$ BEGIN EXECUTE 'DROP TABLE \"Task\"'; END $$;"), ["1:13 drop-table"]);
    assert_eq!(found("DO $$ DECLARE t text; BEGIN EXECUTE format('DROP TABLE %I', t); END $$;"), ["1:29 drop-table"]);
    assert_eq!(found("DO $$ DECLARE t text; BEGIN EXECUTE 'DROP ' || t; END $$;"), ["1:29 dynamic-sql"]);
}

#[test]
fn a_change_hidden_in_a_with_is_found() {
    assert_eq!(
        found("WITH gone AS (DELETE FROM \"Task\" RETURNING id) SELECT count(*) FROM gone;"),
        ["1:1 change-without-batches"]
    );
}

#[test]
fn unreadable_text_is_reported_and_the_rest_is_checked() {
    let rules = found("SELEC 1;\nDROP TABLE IF EXISTS a;");
    assert!(rules.iter().any(|rule| rule.ends_with("unparsed")), "{rules:?}");
    assert!(rules.contains(&"2:1 drop-table".to_owned()), "{rules:?}");
    for sql in [
        "\\i other.sql",
        "DO LANGUAGE plpython3u $$ pass $$;",
        "DO $$ BEGIN SELEC 1; END $$;",
        "CREATE TABLE (",
        "\u{0}",
        "ALTER TABLE \"a",
    ] {
        assert!(found(sql).iter().any(|rule| rule.ends_with("unparsed")), "{sql}");
    }
}

#[test]
fn an_empty_script_has_no_findings() {
    assert_eq!(found(""), Vec::<String>::new());
    assert_eq!(found("-- only a comment"), Vec::<String>::new());
    assert_eq!(found(";;"), Vec::<String>::new());
}

#[test]
fn a_table_created_by_the_script_may_be_changed_freely() {
    let new = "CREATE TABLE IF NOT EXISTS rylie_note (id text PRIMARY KEY, a text);\n";
    for sql in [
        "CREATE INDEX IF NOT EXISTS i ON rylie_note (a);",
        "ALTER TABLE rylie_note ALTER COLUMN a SET NOT NULL;",
        "DELETE FROM rylie_note;",
    ] {
        assert_eq!(found(&format!("{new}{sql}")), Vec::<String>::new(), "{sql}");
        assert_ne!(found(sql), Vec::<String>::new(), "{sql}");
    }
}

#[test]
fn an_allowance_applies_only_to_the_statement_below() {
    let allow = "-- rylie-lint: allow drop-table because nothing reads it\n";
    assert_eq!(found(&format!("{allow}DROP TABLE IF EXISTS a;")), Vec::<String>::new());
    assert_eq!(found(&format!("{allow}DROP TABLE IF EXISTS a;\nDROP TABLE IF EXISTS b;")), ["3:1 drop-table"]);
    assert_eq!(
        found("DROP TABLE -- rylie-lint: allow drop-table because nothing reads it\n IF EXISTS a;"),
        Vec::<String>::new()
    );
    assert_eq!(found(&format!("DROP TABLE IF EXISTS a;\n{allow}")), ["1:1 drop-table", "2:1 idle-allowance"]);
}

#[test]
fn an_allowance_without_a_reason_allows_nothing() {
    let found = found("-- rylie-lint: allow drop-table\nDROP TABLE IF EXISTS a;");
    assert_eq!(found, ["1:1 allowance-without-reason", "2:1 drop-table"]);
}

#[test]
fn a_later_script_may_complete_a_tenant_owned_table() {
    let table = Script::file(
        "1.sql",
        "CREATE TABLE IF NOT EXISTS \"Report\" (id text PRIMARY KEY, \"tenantId\" text NOT NULL, UNIQUE (\"tenantId\", id));",
    );
    let policies = Script::file(
        "2.sql",
        "SET lock_timeout = '1s';\nALTER TABLE \"Report\" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;\nDROP POLICY IF EXISTS p ON \"Report\";\n\
         CREATE POLICY p ON \"Report\" TO rylie_tenant USING (\"tenantId\" = current_setting('rylie.tenant', true));",
    );
    assert_eq!(lint(&[table.clone(), policies]), []);
    let alone: Vec<_> = lint(&[table]).iter().map(|finding| finding.rule).collect();
    assert_eq!(alone, ["tenant-table-without-policy", "tenant-table-without-row-security"]);
}

/// Realistic violations of each kind.
#[test]
fn each_planted_violation_is_found() {
    let holes = include_str!("holes.sql");
    for hole in holes.split("\n\n") {
        let (rule, sql) = hole.trim().strip_prefix("-- ").and_then(|hole| hole.split_once('\n')).unwrap_or_default();
        assert!(rules().any(|known| known.id == rule), "no rule {rule}");
        assert!(found(sql).iter().any(|found| found.ends_with(&format!(" {rule}"))), "{rule}: {sql}: {:?}", found(sql));
    }
}

/// Variants of names, quotes, options and case give the same finding.
#[test]
fn the_spelling_of_a_statement_does_not_matter() {
    for sql in [
        "alter table public.\"User\" alter email set not null;",
        "ALTER TABLE IF EXISTS ONLY \"User\" ALTER COLUMN email SET NOT NULL;",
        "ALTER /* x */ TABLE \"User\" -- y\n ALTER email SET NOT NULL;",
    ] {
        assert_eq!(found(sql).len(), 1, "{sql}");
    }
}

/// Deeply nested text would exhaust the parser's stack and abort the process.
#[test]
fn hostile_nesting_is_reported_without_a_crash() {
    for sql in [
        "(".repeat(200_000),
        format!("SELECT {}1", "-(".repeat(100_000)),
        format!("SELECT {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        "CASE WHEN ".repeat(50_000),
        "SELECT NOT ".to_owned() + &"NOT ".repeat(100_000),
        format!("DO $$ BEGIN {} END $$;", "IF a THEN ".repeat(50_000)),
        "1+".repeat(100_000),
        "SELECT 1 UNION ".repeat(50_000),
        format!("DO $$ BEGIN EXECUTE '{}'; END $$;", "(".repeat(100_000)),
    ] {
        assert!(found(&sql).iter().any(|rule| rule.ends_with("unparsed")), "{}", &sql[..40]);
    }
}
