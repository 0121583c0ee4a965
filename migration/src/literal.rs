//! String literals in SQL.

/// Quotes a text as an SQL literal, since names may come from the database or an operator.
pub(crate) fn literal(text: &str) -> String {
    // Backslashes need no escape: `standard_conforming_strings` is on in the session, the default since PostgreSQL 9.1.
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}
