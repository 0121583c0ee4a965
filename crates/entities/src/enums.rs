//! The enum types of the database, with the labels of the existing platform.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// The text is not a label of the enum.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a {of}: it must be one of {}", .labels.join(", "))]
pub struct UnknownLabel {
    /// The name of the enum.
    pub of: &'static str,
    /// The labels, in the order of the enum.
    pub labels: &'static [&'static str],
}

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident as $type:literal { $($(#[$label_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, DeriveActiveEnum, Deserialize, EnumIter, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
        )]
        #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = $type)]
        pub enum $name {
            $($(#[$label_doc])* #[sea_orm(string_value = $label)] #[serde(rename = $label)] $variant,)+
        }

        impl $name {
            /// Returns the stored label.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownLabel;

            /// Parses the stored label.
            fn from_str(text: &str) -> Result<Self, UnknownLabel> {
                match text {
                    $($label => Ok(Self::$variant),)+
                    _ => Err(UnknownLabel { of: stringify!($name), labels: &[$($label),+] }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

labels! {
    /// The rights of a user.
    UserRole as "UserRole" {
        /// Reaches its own rows only.
        User = "USER",
        /// Administers its agency.
        Admin = "ADMIN",
        /// Administers its agency.
        AgencyAdmin = "AGENCY_ADMIN",
        /// Administers the platform.
        SuperAdmin = "SUPER_ADMIN",
    }
}

labels! {
    /// The package that a customer pays for.
    PackageType as "PackageType" {
        /// The smallest package.
        Silver = "SILVER",
        /// The middle package.
        Gold = "GOLD",
        /// The largest package.
        Platinum = "PLATINUM",
    }
}

labels! {
    /// The priority of a request or a task.
    RequestPriority as "RequestPriority" {
        /// Low priority.
        Low = "LOW",
        /// Normal priority.
        Medium = "MEDIUM",
        /// High priority.
        High = "HIGH",
    }
}

labels! {
    /// The status of a request.
    RequestStatus as "RequestStatus" {
        /// Not started.
        Pending = "PENDING",
        /// In progress.
        InProgress = "IN_PROGRESS",
        /// Done.
        Completed = "COMPLETED",
        /// Cancelled.
        Cancelled = "CANCELLED",
    }
}

labels! {
    /// The status of a task.
    TaskStatus as "TaskStatus" {
        /// Not started.
        Pending = "PENDING",
        /// In progress.
        InProgress = "IN_PROGRESS",
        /// Done.
        Completed = "COMPLETED",
        /// Cancelled.
        Cancelled = "CANCELLED",
    }
}

labels! {
    /// The kind of work of a task.
    TaskType as "TaskType" {
        /// A page of a site.
        Page = "PAGE",
        /// A blog post.
        Blog = "BLOG",
        /// A post on a Google Business Profile.
        GbpPost = "GBP_POST",
        /// An improvement of existing content.
        Improvement = "IMPROVEMENT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_parsed_and_another_text_names_the_labels() {
        assert_eq!("IN_PROGRESS".parse(), Ok(RequestStatus::InProgress));
        let error = "in_progress".parse::<RequestStatus>().unwrap_err();
        let expected = "not a RequestStatus: it must be one of PENDING, IN_PROGRESS, COMPLETED, CANCELLED";
        assert_eq!(error.to_string(), expected);
    }
}
