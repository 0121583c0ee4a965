//! The schemas we know, as files: the base, and what all migrations make of it.
//!
//! A test makes both anew from the migrations and compares, so they cannot fall behind.

use super::catalog::Catalog;

const BASE: &str = include_str!("base.json");
const CURRENT: &str = include_str!("current.json");

impl Catalog {
    /// What Prisma left, and the first migration makes.
    #[must_use]
    pub fn base() -> Self {
        parse(BASE)
    }

    /// What all migrations make.
    #[must_use]
    pub fn current() -> Self {
        parse(CURRENT)
    }
}

/// The files are part of this program and read by a test: nothing to fail on.
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
