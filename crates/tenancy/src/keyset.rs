//! Pages by keyset: a walk through a list that rows come to and go from meanwhile.

use serde::Serialize;

use crate::cursor::Cursor;
use crate::error::Result;
use crate::page::PageRequest;
use crate::page::number;

/// Which part of a list is wanted next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeysetRequest {
    limit: u64,
    after: Option<Cursor>,
}

impl KeysetRequest {
    /// The beginning of a list. `limit` is clamped to 1 to [`PageRequest::MAX_LIMIT`].
    #[must_use]
    pub fn first(limit: u64) -> Self {
        Self { limit: limit.clamp(1, PageRequest::MAX_LIMIT), after: None }
    }

    /// What comes after the page that gave `cursor`.
    #[must_use]
    pub fn after(limit: u64, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..Self::first(limit) }
    }

    /// Reads the parameters of a web request; an absent limit is [`PageRequest::DEFAULT_LIMIT`], a large one is clamped.
    /// [`Error::Invalid`](crate::Error::Invalid) for a limit that is no number and text that is no cursor.
    pub fn parse(limit: Option<&str>, after: Option<&str>) -> Result<Self> {
        let limit = number("limit", limit)?.unwrap_or(PageRequest::DEFAULT_LIMIT);
        Ok(Self { after: after.map(Cursor::parse).transpose()?, ..Self::first(limit) })
    }

    /// How many rows at the most.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Where to go on; `None` at the beginning.
    #[must_use]
    pub fn cursor(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }
}

impl Default for KeysetRequest {
    fn default() -> Self {
        Self::first(PageRequest::DEFAULT_LIMIT)
    }
}

/// A part of a list.
///
/// A walk from `next` to `next` meets each row that is there from beginning to end exactly once, whatever is added and
/// removed meanwhile.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct KeysetPage<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end of the list.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::KeysetRequest;

    #[test]
    fn limits_are_clamped_and_what_is_no_number_or_cursor_is_refused() {
        assert_eq!(KeysetRequest::parse(None, None).unwrap().limit(), 50);
        assert_eq!(KeysetRequest::parse(Some("0"), None).unwrap().limit(), 1);
        assert_eq!(KeysetRequest::parse(Some("99999999999999999999999"), None).unwrap().limit(), 100);
        assert!(KeysetRequest::parse(Some("-1"), None).is_err());
        assert!(KeysetRequest::parse(None, Some("")).is_err());
        assert!(KeysetRequest::parse(None, Some("x".repeat(1 << 20).as_str())).is_err());
    }
}
