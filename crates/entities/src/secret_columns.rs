//! Columns with secrets. Plain text does not compile there, and no value is printed.

use rylie_crypto::{Fingerprint, Stored};
use sea_orm::DeriveValueType;
use serde::{Serialize, Serializer};

/// A stored secret: sealed by a keyring, or in a legacy form.
///
/// Reading a row does not decrypt it; that is an explicit call on the keyring. `Debug` and serialisation write
/// `[sealed]`.
#[derive(Clone, DeriveValueType, Eq, PartialEq)]
#[sea_orm(column_type = "Text")]
pub struct SealedColumn(String);

impl SealedColumn {
    /// Returns the stored text, for the keyring to open.
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

/// The blind index of a secret: the fingerprint that a lookup by equality searches.
///
/// `Debug` and serialisation write `[index]`.
#[derive(Clone, DeriveValueType, Eq, PartialEq)]
#[sea_orm(column_type = "Text")]
pub struct IndexColumn(String);

impl IndexColumn {
    /// Returns the stored text.
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

/// A bearer token that is looked up by its text: of a session or a verification link.
///
/// `Debug` and serialisation write `[token]`. Deserialisation takes any text, as of a body that signs in.
#[derive(Clone, DeriveValueType, Eq, Hash, PartialEq)]
#[sea_orm(column_type = "Text")]
pub struct Token(String);

impl Token {
    /// Wraps a token from a client or a generator.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns whether a database can have stored it. No text with a NUL character can be, so nobody holds such a token.
    #[must_use]
    pub fn can_be_stored(&self) -> bool {
        !self.0.contains('\0')
    }

    /// Returns the token, to be sent to its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for Token {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
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
