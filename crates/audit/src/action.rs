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
    /// A user was given a new API key.
    ApiKeyIssued = "API_KEY_ISSUED",
    /// A user's API key was taken away.
    ApiKeyRevoked = "API_KEY_REVOKED",
    /// Secrets of a column were brought to the active key, or to the form its policy writes.
    SecretsReencrypted = "SECRETS_REENCRYPTED",
    /// A key under which no value is left was destroyed.
    KeyDestroyed = "KEY_DESTROYED",
    /// All rows of a tenant were exported.
    TenantExported = "TENANT_EXPORTED",
    /// All rows of a tenant were imported.
    TenantImported = "TENANT_IMPORTED",
    /// All rows of a tenant were deleted for good.
    TenantErased = "TENANT_ERASED",
    /// Something was attempted that the role does not allow.
    AccessRefused = "ACCESS_REFUSED",
    /// An agency's name or settings were changed.
    AgencyChanged = "AGENCY_CHANGED",
    /// The record of a migration was mended.
    MigrationResolved = "MIGRATION_RESOLVED",
    /// A backup was made.
    BackupCreated = "BACKUP_CREATED",
    /// A backup was restored into a scratch database and checked.
    BackupVerified = "BACKUP_VERIFIED",
    /// Old backups were removed.
    BackupsPruned = "BACKUPS_PRUNED",
    /// A backup was restored.
    BackupRestored = "BACKUP_RESTORED",
    /// Personal parts of the log's records were erased.
    SubjectErased = "SUBJECT_ERASED",
    /// Sealed batches of the log were removed because of their age.
    AuditRetention = "AUDIT_RETENTION",
    /// Ordinary events are not recorded from here on: the last record before the silence.
    AuditLoggingStopped = "AUDIT_LOGGING_STOPPED",
    /// Ordinary events are recorded again: the first record after the silence.
    AuditLoggingStarted = "AUDIT_LOGGING_STARTED",
}

impl Action {
    /// Whether it is left out while the setting `auditLogging` is off: daily work and a service's own words. Everything
    /// else concerns security or evidence, and is always recorded.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::RequestCreated | Self::UsageClosed | Self::Other(_))
    }
}
