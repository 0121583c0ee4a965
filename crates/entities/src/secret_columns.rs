//! Columns that hold secrets: text cannot be put there by accident, nor printed.

use rylie_crypto::{Fingerprint, Stored};
use sea_orm::DeriveValueType;
use serde::{Serialize, Serializer};

/// A secret as it is stored: sealed by a keyring, or in a form the platform wrote before.
///
/// Reading a row does not open it; opening is a call of its own on the keyring. It never shows its
/// content: `Debug` and serialisation give `[sealed]`.
#[derive(Clone, DeriveValueType, Eq, PartialEq)]
#[sea_orm(column_type = "Text")]
pub struct SealedColumn(String);

impl SealedColumn {
    /// The stored text, to be given to the keyring that opens it.
    #[must_use]
    pub fn stored(&self) -> &str {
        &self.0
    }
}

impl From<Stored> for SealedColumn {
    fn from(stored: Stored) -> Self {
        Self(stored.into_text())
    }
}

/// The fingerprint of a secret in its row: what a look-up by equality searches instead of the secret.
///
/// It never shows its content: `Debug` and serialisation give `[index]`.
#[derive(Clone, DeriveValueType, Eq, PartialEq)]
#[sea_orm(column_type = "Text")]
pub struct IndexColumn(String);

impl IndexColumn {
    /// The stored text.
    #[must_use]
    pub fn stored(&self) -> &str {
        &self.0
    }
}

impl From<Fingerprint> for IndexColumn {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(fingerprint.into_text())
    }
}

/// A bearer token that is looked up by its text: a session's or a verification link's.
///
/// It never shows its content: `Debug` and serialisation give `[token]`.
#[derive(Clone, DeriveValueType, Eq, Hash, PartialEq)]
#[sea_orm(column_type = "Text")]
pub struct Token(String);

impl Token {
    /// Wraps what a client sent or a generator made.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token itself, to be handed to its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&Token> for sea_orm::Value {
    fn from(token: &Token) -> Self {
        token.0.as_str().into()
    }
}

impl sea_orm::TryFromU64 for Token {
    fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
        Err(sea_orm::DbErr::ConvertFromU64("Token"))
    }
}

macro_rules! hidden {
    ($name:ident as $shown:literal) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($shown)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str($shown)
            }
        }
    };
}
hidden!(SealedColumn as "[sealed]");
hidden!(IndexColumn as "[index]");
hidden!(Token as "[token]");

#[cfg(test)]
mod tests {
    use super::{SealedColumn, Token};

    #[test]
    fn neither_debug_nor_json_shows_the_content() {
        let (token, sealed) = (Token::new("canary"), SealedColumn("canary".to_owned()));
        let shown = format!("{token:?}{sealed:?}{}{}", serde_json::json!(token), serde_json::json!(sealed));

        assert!(!shown.contains("canary"), "{shown}");
    }
}
