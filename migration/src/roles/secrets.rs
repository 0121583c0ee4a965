//! The columns that no reader gets.

/// Columns that hold secrets, sealed or in the clear, or what is computed from one, by table. A test compares them with the entities, so that a new one is
/// not forgotten.
pub const SECRET_COLUMNS: &[(&str, &[&str])] = &[
    ("Account", &["refresh_token", "access_token", "id_token"]),
    ("GA4Connection", &["accessToken", "refreshToken"]),
    ("SearchConsoleConnection", &["accessToken", "refreshToken"]),
    ("Session", &["sessionToken"]),
    ("User", &["apiKey", "apiKeyIndex"]),
    ("VerificationToken", &["token"]),
    // What guesses at an erased record would be tried against.
    ("rylie_audit_leaf", &["who_salt", "what_salt"]),
];

pub(super) fn is_secret(table: &str, column: &str) -> bool {
    SECRET_COLUMNS.iter().any(|(name, columns)| *name == table && columns.contains(&column))
}
