//! Text that must not be empty.

use crate::{Error, Result};

pub(crate) fn not_empty(what: &'static str, text: String) -> Result<String> {
    if text.trim().is_empty() {
        return Err(Error::Invalid { what, reason: "it must not be empty" });
    }
    Ok(text)
}
