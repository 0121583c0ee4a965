//! Compares the labels of a column's check with the entity's enumeration.

use std::collections::BTreeSet;

use rylie_db::repositories::OwnTableInfo;

/// Returns each difference between an enumeration and the check of its column.
pub(super) fn differing(table: &OwnTableInfo, checks: &[(String, String)]) -> Vec<String> {
    table.labels.iter().filter_map(|(column, labels)| difference(table.name, column, labels, checks)).collect()
}

fn difference(table: &str, column: &str, labels: &[String], checks: &[(String, String)]) -> Option<String> {
    let name = format!("{table}_{column}_check");
    let Some((_, check)) = checks.iter().find(|(known, _)| *known == name) else {
        return Some(format!("missing the check of {column}: the enumeration has {}", labels.join(", ")));
    };
    let (ours, allowed): (BTreeSet<_>, _) = (labels.iter().cloned().collect(), texts(check));
    let only = |these: &BTreeSet<String>, others: &BTreeSet<String>| {
        these.difference(others).cloned().collect::<Vec<_>>().join(", ")
    };
    let (refused, unknown) = (only(&ours, &allowed), only(&allowed, &ours));
    match (refused.is_empty(), unknown.is_empty()) {
        (true, true) => None,
        (false, _) => Some(format!("missing {refused} in the check of {column}: the enumeration has it")),
        (true, false) => Some(format!("missing {unknown} in the enumeration of {column}: the check allows it")),
    }
}

/// Returns the quoted texts in a definition.
fn texts(definition: &str) -> BTreeSet<String> {
    let doubled = definition.replace("''", "\0");
    doubled.split('\'').skip(1).step_by(2).map(|text| text.replace('\0', "'")).collect()
}

/// Returns the named checks in the text of a `CREATE TABLE` of SQLite, each with its definition.
pub(super) fn checks_in(text: &str) -> Vec<(String, String)> {
    let named = text.split("CONSTRAINT \"").skip(1);
    let check = |part: &str| {
        let (name, rest) = part.split_once('"')?;
        let rest = rest.trim_start().strip_prefix("CHECK")?;
        Some((name.to_owned(), in_brackets(rest)))
    };
    named.filter_map(check).collect()
}

/// Returns the text up to the end of its first pair of brackets. Brackets within quotes do not count.
fn in_brackets(text: &str) -> String {
    let (mut depth, mut quoted) = (0_usize, false);
    let ends = |letter: char| {
        match letter {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ')' && depth == 0 && !quoted
    };
    let end = text.find(ends).map_or(text.len(), |at| at + 1);
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_a_check_end_with_its_brackets() {
        let text = "CREATE TABLE \"A\" (b TEXT DEFAULT 'X', CONSTRAINT \"A_b_check\" CHECK (\"b\" IN ('C)', 'it''s')), \
             CONSTRAINT \"A_pkey\" PRIMARY KEY (id), c TEXT DEFAULT 'D')";
        let checks = checks_in(text);
        assert_eq!(checks.len(), 1);
        assert_eq!(texts(&checks[0].1), ["C)", "it's"].map(str::to_owned).into());
    }
}
