//! The columns that no reader may read.

/// Columns that contain secrets, sealed or not, or values computed from one, by table. A test compares the list with
/// the entities.
pub const SECRET_COLUMNS: &[(&str, &[&str])] = &[
    ("Account", &["refresh_token", "access_token", "id_token"]),
    ("GA4Connection", &["accessToken", "refreshToken"]),
    ("SearchConsoleConnection", &["accessToken", "refreshToken"]),
    ("Session", &["sessionToken"]),
    ("User", &["apiKey", "apiKeyIndex"]),
    ("VerificationToken", &["token"]),
    // With these salts, guesses about an erased record could be verified.
    ("rylie_audit_leaf", &["who_salt", "what_salt"]),
];

pub(super) fn is_secret(table: &str, column: &str) -> bool {
    SECRET_COLUMNS.iter().any(|(name, columns)| *name == table && columns.contains(&column))
}
