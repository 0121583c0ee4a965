//! The state of a key.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    /// Seals and opens.
    Active,
    /// Opens existing values only.
    DecryptOnly,
    /// Destroyed: only its id is kept.
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
