//! The known schemas as files: the base, and the result of all migrations.
//!
//! A test regenerates both from the migrations and compares them, so that they stay current.

use super::catalog::Catalog;

const BASE: &str = include_str!("base.json");
const CURRENT: &str = include_str!("current.json");

impl Catalog {
    /// The schema that Prisma left, which the first migration creates.
    #[must_use]
    pub fn base() -> Self {
        parse(BASE)
    }

    /// The schema after all migrations.
    #[must_use]
    pub fn current() -> Self {
        parse(CURRENT)
    }
}

/// Cannot fail: the files are compiled in, and a test parses them.
fn parse(json: &str) -> Catalog {
    serde_json::from_str(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_can_be_read() {
        assert_eq!(Catalog::base().tables.len(), 14);
        assert!(Catalog::current().tables.contains_key("rylie_database"));
    }
}
