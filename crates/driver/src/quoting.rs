//! Names and texts in SQL, for both engines.

/// Quotes a name.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text, since texts may come from the database or an operator. No text of a database has a null byte.
#[must_use]
pub fn literal(text: &str) -> String {
    // Backslashes need no escape: `standard_conforming_strings` is on in the session, the default since PostgreSQL 9.1.
    format!("'{}'", text.replace('\'', "''").replace('\0', ""))
}
