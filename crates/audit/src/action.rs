//! What was done.

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// What was done. The set is closed for the platform's own operations;
        /// [`Action::Other`] extends it with a service's own words.
        #[derive(Clone, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* $name,)+
            /// An action of a service built on this library, in capitals and underscores.
            Other(String),
        }

        impl Action {
            /// The text that the log holds.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)+
                    Self::Other(text) => text,
                }
            }
        }
    };
}

actions! {
    /// A user was made.
    UserCreated = "USER_CREATED",
    /// A user's role was changed.
    UserRoleUpdate = "USER_ROLE_UPDATE",
    /// A user was deleted.
    UserDeleted = "USER_DELETED",
    /// An agency was made.
    AgencyCreated = "AGENCY_CREATED",
    /// An agency was deleted.
    AgencyDeleted = "AGENCY_DELETED",
    /// A request was made.
    RequestCreated = "REQUEST_CREATED",
    /// A request or task was soft-deleted.
    Deleted = "DELETED",
    /// A soft-deleted request or task was brought back.
    Restored = "RESTORED",
    /// Soft-deleted rows were removed for good.
    Purged = "PURGED",
    /// A connection to Google was saved.
    ConnectionSaved = "CONNECTION_SAVED",
    /// A connection to Google was removed.
    ConnectionRemoved = "CONNECTION_REMOVED",
    /// The platform's settings were changed.
    SettingsChanged = "SETTINGS_CHANGED",
    /// Somebody or a job entered by the platform door.
    PlatformAccess = "PLATFORM_ACCESS",
    /// A month of usage was closed.
    UsageClosed = "USAGE_CLOSED",
    /// All rows of a tenant were exported.
    TenantExported = "TENANT_EXPORTED",
    /// All rows of a tenant were imported.
    TenantImported = "TENANT_IMPORTED",
    /// All rows of a tenant were deleted for good.
    TenantErased = "TENANT_ERASED",
}
