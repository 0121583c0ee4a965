//! Keyset pages: a walk through a list while rows are added and removed.

use crate::cursor::Cursor;
use crate::error::Result;
use crate::page::PageRequest;
use crate::page::number;

/// The requested page of a keyset walk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeysetRequest {
    limit: u64,
    after: Option<Cursor>,
}

impl KeysetRequest {
    /// Requests the first page. Clamps `limit` to 1 to [`PageRequest::MAX_LIMIT`].
    #[must_use]
    pub fn first(limit: u64) -> Self {
        Self { limit: limit.clamp(1, PageRequest::MAX_LIMIT), after: None }
    }

    /// Requests the page after the one that returned `cursor`.
    #[must_use]
    pub fn after(limit: u64, cursor: Cursor) -> Self {
        Self { after: Some(cursor), ..Self::first(limit) }
    }

    /// Parses the parameters of a web request. A missing limit is [`PageRequest::DEFAULT_LIMIT`]; a large one is
    /// clamped. Fails with [`Error::Invalid`](crate::Error::Invalid) for a malformed limit or cursor.
    pub fn parse(limit: Option<&str>, after: Option<&str>) -> Result<Self> {
        let limit = number("limit", limit)?.unwrap_or(PageRequest::DEFAULT_LIMIT);
        Ok(Self { after: after.map(Cursor::parse).transpose()?, ..Self::first(limit) })
    }

    /// Returns the maximum number of rows.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns the position to continue from; `None` for the first page.
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

/// A page of a keyset walk.
///
/// A walk from `next` to `next` returns each row that exists from beginning to end exactly once, despite concurrent
/// inserts and deletes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeysetPage<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` at the end of the list.
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
