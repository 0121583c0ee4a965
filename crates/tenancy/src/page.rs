//! Pages by limit and offset, with a total.

use crate::error::{Error, Result};

/// The requested page of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageRequest {
    limit: u64,
    offset: u64,
    counted_to: Option<u64>,
}

impl PageRequest {
    /// The default number of rows.
    pub const DEFAULT_LIMIT: u64 = 50;
    /// The maximum number of rows.
    pub const MAX_LIMIT: u64 = 100;
    /// The maximum offset; use a keyset walk for longer lists.
    pub const MAX_OFFSET: u64 = 1 << 32;

    /// Creates a request. Clamps `limit` to 1 to [`Self::MAX_LIMIT`], and `offset` to [`Self::MAX_OFFSET`].
    #[must_use]
    pub fn new(limit: u64, offset: u64) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), offset: offset.min(Self::MAX_OFFSET), counted_to: None }
    }

    /// Limits the count for the page's total, because counting a long list costs more than its page. A total
    /// of `rows` or more then means "at least", as in "more than 1,000".
    #[must_use]
    pub fn counting_to(self, rows: u64) -> Self {
        Self { counted_to: Some(rows), ..self }
    }

    /// Parses the parameters of a web request. Missing ones get their defaults; large ones are clamped. Fails with
    /// [`Error::Invalid`] for anything but a whole number of at least 0.
    pub fn parse(limit: Option<&str>, offset: Option<&str>) -> Result<Self> {
        let limit = number("limit", limit)?.unwrap_or(Self::DEFAULT_LIMIT);
        Ok(Self::new(limit, number("offset", offset)?.unwrap_or(0)))
    }

    /// Returns the maximum number of rows.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// Returns the limit of the count, or `None` for an exact total.
    #[must_use]
    pub fn counted_to(self) -> Option<u64> {
        self.counted_to
    }

    /// Returns how many rows are skipped.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT, 0)
    }
}

pub(crate) fn number(what: &'static str, text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(Error::Invalid { what, reason: "it must be a whole number of at least 0" });
    }
    // Digits that overflow are a large number.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// One page of a list. In JSON the rows have the name of their [`PageItem`](crate::PageItem).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// The number of rows of the whole list; see [`PageRequest::counting_to`].
    pub total: u64,
    /// The limit that was applied.
    pub limit: u64,
    /// The offset that was applied.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::PageRequest;

    #[test]
    fn a_page_has_fifty_rows_unless_asked_and_a_hundred_at_most() {
        assert_eq!(PageRequest::parse(None, None).unwrap(), PageRequest::new(50, 0));
        assert_eq!(PageRequest::parse(Some("1000"), None).unwrap().limit(), 100);
        assert_eq!(PageRequest::parse(Some("0"), None).unwrap().limit(), 1);
        assert_eq!(PageRequest::parse(Some("99999999999999999999999"), None).unwrap().limit(), 100);
        assert_eq!(
            PageRequest::parse(None, Some("99999999999999999999999")).unwrap().offset(),
            PageRequest::MAX_OFFSET
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-1", "+1", "1.5", "1e3", "ten", " 1", "0x10", "NaN", "1;DROP TABLE"] {
            assert!(PageRequest::parse(Some(text), None).is_err(), "{text}");
            assert!(PageRequest::parse(None, Some(text)).is_err(), "{text}");
        }
    }
}
