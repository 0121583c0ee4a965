//! Pages by limit and offset, with a total.

use serde::Serialize;

use crate::error::{Error, Result};

/// Which page of a list is wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PageRequest {
    limit: u64,
    offset: u64,
    counted_to: Option<u64>,
}

impl PageRequest {
    /// The rows of a page when nobody says how many.
    pub const DEFAULT_LIMIT: u64 = 50;
    /// The most rows of a page.
    pub const MAX_LIMIT: u64 = 100;
    /// The deepest offset; a list that is walked further takes keyset pagination.
    pub const MAX_OFFSET: u64 = 1 << 32;

    /// `limit` is clamped to 1 to [`Self::MAX_LIMIT`], `offset` to [`Self::MAX_OFFSET`].
    #[must_use]
    pub fn new(limit: u64, offset: u64) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), offset: offset.min(Self::MAX_OFFSET), counted_to: None }
    }

    /// Counts no more than this many rows for the page's total: of a long list an exact total costs more than its page.
    /// A total of `rows` or more then means at least so many, as in "more than 1,000".
    #[must_use]
    pub fn counting_to(self, rows: u64) -> Self {
        Self { counted_to: Some(rows), ..self }
    }

    /// Reads the parameters of a web request; absent ones take their defaults, large ones are clamped.
    /// [`Error::Invalid`] for what is not a whole number of at least 0.
    pub fn parse(limit: Option<&str>, offset: Option<&str>) -> Result<Self> {
        let limit = number("limit", limit)?.unwrap_or(Self::DEFAULT_LIMIT);
        Ok(Self::new(limit, number("offset", offset)?.unwrap_or(0)))
    }

    /// How many rows at the most.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// How far is counted; to the end unless told otherwise.
    #[must_use]
    pub fn counted_to(self) -> Option<u64> {
        self.counted_to
    }

    /// How many rows are skipped.
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
    // Digits that do not fit are merely large.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// One page of a list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// How many rows the whole list has; see [`PageRequest::counting_to`].
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
    fn a_page_has_fifty_rows_unless_told_and_a_hundred_at_most() {
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
