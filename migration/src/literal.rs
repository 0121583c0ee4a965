//! Texts in SQL.

/// A text in SQL. A name can come from the database or from an operator.
pub(crate) fn literal(text: &str) -> String {
    // A backslash is itself: the session has standard_conforming_strings, as every one since PostgreSQL 9.1.
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}
