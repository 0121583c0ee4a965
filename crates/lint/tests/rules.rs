//! Checks each rule with its own examples, and the project's migrations with every rule.

use rylie_lint::{Finding, NOT_RULES, Rule, Script, lint, rules, scripts_of_migrations};

/// Examples begin with a lock timeout, except those of `no-lock-timeout`.
fn example(rule: &Rule, sql: &str) -> Vec<Finding> {
    let timeout = if rule.id == "no-lock-timeout" { "" } else { "SET lock_timeout = '2s';\n" };
    lint(&[Script::file("example.sql", format!("{timeout}{sql}"))])
}

#[test]
fn the_failing_example_of_each_rule_breaks_that_rule_and_no_other() {
    for rule in rules() {
        let mut found: Vec<_> = example(rule, rule.fails).iter().map(|finding| finding.rule).collect();
        found.dedup();
        assert_eq!(found, [rule.id], "{}", rule.fails);
    }
}

#[test]
fn the_passing_example_of_each_rule_breaks_none() {
    for rule in rules() {
        assert_eq!(example(rule, rule.passes), [], "{}", rule.id);
    }
}

#[test]
fn the_projects_own_migrations_break_no_rule() {
    let found = lint(&scripts_of_migrations());
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", lines.join("\n"));
}

/// The list of rules is generated; `UPDATE_SNAPSHOTS=1` regenerates it.
#[test]
fn the_file_of_rules_has_every_rule() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/RULES.md");
    let expected = rule_table();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return std::fs::write(path, expected).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == expected,
        "RULES.md is out of date: run this test with UPDATE_SNAPSHOTS=1"
    );
}

fn rule_table() -> String {
    let mut lines = "# Rules\n\nGenerated from the code by a test. To allow a statement anyway: `-- rylie-lint: allow <rule> because <reason>`.\n\n| rule | harm | instead | other linters |\n| --- | --- | --- | --- |\n".to_owned();
    for Rule { id, like, harm, fix, .. } in rules() {
        let fix = fix.replace('|', "\\|").replace('<', "&lt;");
        let line = format!("| `{id}` | {harm} | {fix} | {like} |\n");
        lines += &line;
    }
    lines.push_str("\nRules of other linters that this one does not have:\n\n| rule | reason |\n| --- | --- |\n");
    for (rule, because) in NOT_RULES {
        let line = format!("| {rule} | {because} |\n");
        lines += &line;
    }
    lines
}

#[test]
fn rule_names_are_unique() {
    let mut names: Vec<_> = rules().map(|rule| rule.id).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}
