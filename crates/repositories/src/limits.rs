//! Limits of what is stored. They apply to our writes; the old service's rows may be longer and are read as they are.

use sea_orm::prelude::Json;

pub use rylie_tenancy::{MAX_JSON_BYTES, MAX_TEXT_BYTES};

use crate::{Error, Result};

/// The longest single line, in bytes: titles, names, addresses of pages, kinds of work.
pub const MAX_LINE_BYTES: usize = 4_096;

/// The longest secret that is sealed, in bytes: tokens of other services.
pub const MAX_SECRET_BYTES: usize = 16 * 1_024;

/// Checks a single line that must not be empty.
pub(crate) fn not_empty(what: &'static str, text: String) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::Invalid { what, reason: "it must not be empty" });
    }
    line(what, text)
}

/// Checks a short text, such as a title.
pub(crate) fn line(what: &'static str, text: String) -> Result<String> {
    if text.len() > MAX_LINE_BYTES {
        return Err(Error::Invalid { what, reason: "it must have 4,096 bytes at most" });
    }
    Ok(text)
}

/// Checks a text.
pub(crate) fn text(what: &'static str, text: String) -> Result<String> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::Invalid { what, reason: "it must have 262,144 bytes at most" });
    }
    Ok(text)
}

/// Checks a JSON document.
pub(crate) fn json(what: &'static str, document: Json) -> Result<Json> {
    if !rylie_tenancy::json_fits(&document, MAX_JSON_BYTES) {
        return Err(Error::Invalid { what, reason: "as JSON it must have 262,144 bytes at most" });
    }
    Ok(document)
}

/// Checks a secret that is to be sealed.
pub(crate) fn secret(text: &str) -> Result<()> {
    match text.len() {
        0 => Err(Error::Invalid { what: "a token or key", reason: "it must not be empty" }),
        1..=MAX_SECRET_BYTES => Ok(()),
        _ => Err(Error::Invalid { what: "a token or key", reason: "it must have 16,384 bytes at most" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_values_are_accepted_and_one_byte_more_is_refused() {
        assert!(line("a line", "x".repeat(MAX_LINE_BYTES)).is_ok());
        assert!(line("a line", "x".repeat(MAX_LINE_BYTES + 1)).is_err());
        assert!(text("a text", "x".repeat(MAX_TEXT_BYTES)).is_ok());
        assert!(text("a text", "x".repeat(MAX_TEXT_BYTES + 1)).is_err());
        assert!(json("a document", Json::String("x".repeat(MAX_JSON_BYTES - 2))).is_ok());
        assert!(json("a document", Json::String("x".repeat(MAX_JSON_BYTES - 1))).is_err());
        assert!(secret(&"x".repeat(MAX_SECRET_BYTES)).is_ok());
        assert!(secret(&"x".repeat(MAX_SECRET_BYTES + 1)).is_err() && secret("").is_err());
    }
}
