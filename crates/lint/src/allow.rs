//! `-- rylie-lint: allow <rule>[, <rule>] because <reason>`: allows a statement that a rule would report.

const SIGN: &str = "rylie-lint:";

/// One rule that does not apply to one statement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Allowance {
    /// `None` if the comment is invalid or has no reason.
    pub(crate) rule: Option<String>,
    pub(crate) text: usize,
    pub(crate) offset: usize,
    /// The number of the statement in the script; `None` for all of them.
    pub(crate) statement: Option<usize>,
}

impl Allowance {
    /// Returns the allowances of a comment. Comments without `rylie-lint:` have none.
    pub(crate) fn parse(comment: &str, text: usize, offset: usize, statement: usize) -> Vec<Self> {
        let Some((_, words)) = comment.split_once(SIGN) else { return Vec::new() };
        let one = |rule: Option<&str>| Self { rule: rule.map(str::to_owned), text, offset, statement: Some(statement) };
        let words = words.trim().trim_end_matches("*/").trim();
        let Some((rules, _)) = words
            .strip_prefix("allow ")
            .and_then(|words| words.split_once(" because "))
            .filter(|(_, reason)| !reason.trim().is_empty())
        else {
            return vec![one(None)];
        };
        rules.split(',').map(|rule| one(Some(rule.trim()))).collect()
    }

    /// Allows a rule for a whole script.
    pub(crate) fn everywhere(rule: &str) -> Self {
        Self { rule: Some(rule.to_owned()), text: 0, offset: 0, statement: None }
    }

    pub(crate) fn covers(&self, rule: &str, statement: usize) -> bool {
        self.rule.as_deref() == Some(rule) && self.statement.is_none_or(|own| own == statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(comment: &str) -> Vec<Option<String>> {
        Allowance::parse(comment, 0, 0, 1).into_iter().map(|allowance| allowance.rule).collect()
    }

    #[test]
    fn a_comment_names_rules_and_a_reason() {
        let both = [Some("drop-table".to_owned()), Some("truncate".to_owned())];
        assert_eq!(rules("-- rylie-lint: allow drop-table, truncate because nobody reads it"), both);
        assert_eq!(rules("/* rylie-lint: allow drop-table, truncate because nobody reads it */"), both);
        assert_eq!(rules("-- allow what you like"), []);
    }

    #[test]
    fn without_a_reason_it_allows_nothing() {
        for comment in ["allow drop-table", "allow drop-table because", "allow drop-table because  ", "disable all"] {
            assert_eq!(rules(&format!("-- rylie-lint: {comment}")), [None], "{comment}");
        }
    }
}
