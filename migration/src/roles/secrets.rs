//! The columns that no reader gets.

/// Columns that hold secrets, sealed or in the clear, by table. A test compares them with the entities, so that a new one is
/// not forgotten.
pub const SECRET_COLUMNS: &[(&str, &[&str])] = &[
    ("Account", &["refresh_token", "access_token", "id_token"]),
    ("GA4Connection", &["accessToken", "refreshToken"]),
    ("SearchConsoleConnection", &["accessToken", "refreshToken"]),
    ("Session", &["sessionToken"]),
    ("User", &["apiKey"]),
    ("VerificationToken", &["token"]),
];

pub(super) fn is_secret(table: &str, column: &str) -> bool {
    SECRET_COLUMNS.iter().any(|(name, columns)| *name == table && columns.contains(&column))
}
