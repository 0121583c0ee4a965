//! Functions that write in one round trip: how a migration creates them, and the columns that they read from JSON.

use crate::step::Step;

/// A column, and its type in the JSON.
pub(crate) type Column = (&'static str, &'static str);

/// The columns of an audit record that come from its JSON.
pub(crate) const RECORD: [Column; 10] = [
    ("id", "text"),
    ("userId", "text"),
    ("action", "text"),
    ("resource", "text"),
    ("details", "jsonb"),
    ("ipAddress", "text"),
    ("userAgent", "text"),
    ("createdAt", "timestamp"),
    ("onBehalfOf", "text"),
    ("correlationId", "text"),
];

/// Returns the columns as a list.
pub(crate) fn names(columns: &[Column]) -> String {
    columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Returns the columns with their types, as a list.
pub(crate) fn types(columns: &[Column]) -> String {
    columns.iter().map(|(name, of)| format!("\"{name}\" {of}")).collect::<Vec<_>>().join(", ")
}

/// Returns the steps that create a function. The table owner must own it, even if another role created one of that name
/// before: the service runs it with its own rights.
pub(crate) fn create(function: String, signature: &str) -> [Step; 2] {
    [Step::sql(function), Step::sql(format!("ALTER FUNCTION {signature} OWNER TO CURRENT_USER"))]
}

pub(crate) fn drop(signature: &str) -> Step {
    Step::sql(format!("DROP FUNCTION IF EXISTS {signature}"))
}
