//! What a key may still do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a key may still do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens what it sealed before.
    DecryptOnly,
    /// Gone; only its id is remembered.
    Destroyed,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Active => "active",
            Self::DecryptOnly => "decrypt-only",
            Self::Destroyed => "destroyed",
        })
    }
}
