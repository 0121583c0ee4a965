//! The text of a secret column, and its form.

use std::fmt;

use zeroize::Zeroizing;

use crate::form::StoredForm;
use crate::{Sealed, envelope, legacy};

/// The text of a secret column in any form. It may be plain text, so it is never printed.
#[derive(Clone, Eq, PartialEq)]
pub struct Stored(Zeroizing<String>);

impl Stored {
    /// Wraps a column's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Returns the text to store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text to store.
    #[must_use]
    pub fn into_text(mut self) -> String {
        std::mem::take(&mut self.0)
    }

    /// Returns the form of the text.
    #[must_use]
    pub fn form(&self) -> StoredForm {
        StoredForm::of(&self.0)
    }
}

impl From<Sealed> for Stored {
    fn from(sealed: Sealed) -> Self {
        Self::new(sealed.into_text())
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stored({}..)", self.form())
    }
}

impl StoredForm {
    /// Returns the form of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if !envelope::claims(text) {
            legacy::form_of(text).unwrap_or(Self::Plain)
        } else if Sealed::parse(text).is_ok() {
            Self::Sealed
        } else {
            Self::Damaged
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: &str = "0123456789abcdef0123456789ABCDEF";

    #[test]
    fn each_form_is_recognised_by_its_shape() {
        let forms = [
            (Sealed::write("k", &[0; 81]).into_text(), StoredForm::Sealed),
            (format!("{BLOCK}:{BLOCK}"), StoredForm::LegacyCbc),
            (format!("{BLOCK}:{BLOCK}{BLOCK}"), StoredForm::LegacyCbc),
            (format!("{BLOCK}:{BLOCK}:"), StoredForm::LegacyGcm),
            (format!("{BLOCK}:{BLOCK}:ab"), StoredForm::LegacyGcm),
            (format!("{BLOCK}:{BLOCK}:{BLOCK}"), StoredForm::LegacyGcm),
        ];
        for (text, form) in forms {
            assert_eq!(StoredForm::of(&text), form, "{text}");
        }
    }

    #[test]
    fn tokens_that_only_look_similar_are_plain() {
        let dashed = BLOCK.replace('0', "-");
        for text in [
            "",
            "ya29.a0-token",
            "1//0refresh",
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "deadbeef:cafebabe",
            "de:ad:be:ef",
            "user:password",
            ":",
            "::",
            BLOCK,
            &format!(":{BLOCK}"),
            &format!("{BLOCK}0:{BLOCK}"),
            &format!("{dashed}:{BLOCK}"),
            &format!("{BLOCK} :{BLOCK}"),
        ] {
            assert_eq!(StoredForm::of(text), StoredForm::Plain, "{text}");
        }
    }

    #[test]
    fn a_damaged_cipher_text_is_not_plain() {
        for text in [
            format!("{BLOCK}:"),
            format!("{BLOCK}:ab"),
            format!("{BLOCK}:{BLOCK}0"),
            format!("{BLOCK}:{BLOCK}xy"),
            format!("{BLOCK}::{BLOCK}"),
            format!("{BLOCK}:{BLOCK}:abc"),
            format!("{BLOCK}:{BLOCK}:{BLOCK}:"),
            format!("{BLOCK}:{BLOCK} "),
            "rylie1.k.short".to_owned(),
            "rylie2.k.later-version".to_owned(),
        ] {
            assert_eq!(StoredForm::of(&text), StoredForm::Damaged, "{text}");
        }
    }
}
