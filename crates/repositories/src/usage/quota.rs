//! Quotas of each kind of work per package.

use std::str::FromStr;

use rylie_entities::{PackageType, TaskType};

use crate::Error;

/// How much of each kind of work a package allows in one billing period.
///
/// Parsed from four numbers in the order of the fields, such as `3,3,8,8`. Anything else is [`Error::Invalid`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    /// Pages.
    pub pages: u32,
    /// Blog posts.
    pub blogs: u32,
    /// Business-profile posts.
    pub gbp_posts: u32,
    /// Improvements.
    pub improvements: u32,
}

impl Quota {
    /// Returns the limit of one kind of work.
    #[must_use]
    pub fn limit(&self, kind: TaskType) -> u32 {
        match kind {
            TaskType::Page => self.pages,
            TaskType::Blog => self.blogs,
            TaskType::GbpPost => self.gbp_posts,
            TaskType::Improvement => self.improvements,
        }
    }
}

impl FromStr for Quota {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = Error::Invalid {
            what: "the quota",
            reason: "it must be four whole numbers: pages,blogs,posts,improvements",
        };
        let numbers: Result<Vec<u32>, _> = text.split(',').map(|number| number.trim().parse()).collect();
        match numbers.as_deref() {
            Ok(&[pages, blogs, gbp_posts, improvements]) => Ok(Self { pages, blogs, gbp_posts, improvements }),
            _ => Err(invalid),
        }
    }
}

/// The quota of each package. A user without a package has none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quotas {
    /// The quota of [`PackageType::Silver`].
    pub silver: Quota,
    /// The quota of [`PackageType::Gold`].
    pub gold: Quota,
    /// The quota of [`PackageType::Platinum`].
    pub platinum: Quota,
}

impl Quotas {
    /// Returns the quota of a package.
    #[must_use]
    pub fn of(&self, package: PackageType) -> Quota {
        match package {
            PackageType::Silver => self.silver,
            PackageType::Gold => self.gold,
            PackageType::Platinum => self.platinum,
        }
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            silver: Quota { pages: 3, blogs: 3, gbp_posts: 8, improvements: 8 },
            gold: Quota { pages: 5, blogs: 5, gbp_posts: 12, improvements: 10 },
            platinum: Quota { pages: 9, blogs: 9, gbp_posts: 20, improvements: 20 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quota;

    #[test]
    fn a_quota_is_four_whole_numbers() {
        let quota: Quota = "3, 4,5,6".parse().unwrap();
        assert_eq!(quota, Quota { pages: 3, blogs: 4, gbp_posts: 5, improvements: 6 });
        for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,-4", "1,2,3,x", "1,2,3,4294967296"] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }
}
