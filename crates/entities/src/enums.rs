//! The enum types of the database, by the labels the platform has always written.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

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
            /// The label as it is stored.
            #[must_use]
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
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
    /// What a user may do.
    UserRole as "UserRole" {
        /// Reaches its own rows.
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
    /// What a customer pays for.
    PackageType as "PackageType" {
        /// The smallest.
        Silver = "SILVER",
        /// The middle one.
        Gold = "GOLD",
        /// The largest.
        Platinum = "PLATINUM",
    }
}

labels! {
    /// How urgent a request or a task is.
    RequestPriority as "RequestPriority" {
        /// When there is time.
        Low = "LOW",
        /// In its turn.
        Medium = "MEDIUM",
        /// Before the others.
        High = "HIGH",
    }
}

labels! {
    /// How far a request is.
    RequestStatus as "RequestStatus" {
        /// Nobody has begun.
        Pending = "PENDING",
        /// Somebody works on it.
        InProgress = "IN_PROGRESS",
        /// Done.
        Completed = "COMPLETED",
        /// Given up.
        Cancelled = "CANCELLED",
    }
}

labels! {
    /// How far a task is.
    TaskStatus as "TaskStatus" {
        /// Nobody has begun.
        Pending = "PENDING",
        /// Somebody works on it.
        InProgress = "IN_PROGRESS",
        /// Done.
        Completed = "COMPLETED",
        /// Given up.
        Cancelled = "CANCELLED",
    }
}

labels! {
    /// The kind of work a task is.
    TaskType as "TaskType" {
        /// A page of a site.
        Page = "PAGE",
        /// A blog post.
        Blog = "BLOG",
        /// A post on a Google Business Profile.
        GbpPost = "GBP_POST",
        /// An improvement of what is there.
        Improvement = "IMPROVEMENT",
    }
}
