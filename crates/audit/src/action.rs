//! The actions that are recorded.

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A recorded action. The set is closed for the platform's own operations; [`Action::Other`] is for a service's
        /// own actions.
        #[derive(Clone, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[$doc])* $name,)+
            /// An action of a service built on this library, in capitals and underscores.
            Other(String),
        }

        impl Action {
            /// Returns the text stored in the log.
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
    /// A user was created.
    UserCreated = "USER_CREATED",
    /// A user's role was changed.
    UserRoleUpdate = "USER_ROLE_UPDATE",
    /// A user was moved to another agency, or out of any.
    UserMoved = "USER_MOVED",
    /// A user was deleted.
    UserDeleted = "USER_DELETED",
    /// An agency was created.
    AgencyCreated = "AGENCY_CREATED",
    /// An agency was deleted.
    AgencyDeleted = "AGENCY_DELETED",
    /// A request was created.
    RequestCreated = "REQUEST_CREATED",
    /// A request's status was changed.
    RequestStatusChanged = "REQUEST_STATUS_CHANGED",
    /// A request or task was soft-deleted.
    Deleted = "DELETED",
    /// A soft-deleted request or task was restored.
    Restored = "RESTORED",
    /// Soft-deleted rows were purged.
    Purged = "PURGED",
    /// A connection to Google was saved.
    ConnectionSaved = "CONNECTION_SAVED",
    /// A connection to Google was removed.
    ConnectionRemoved = "CONNECTION_REMOVED",
    /// The platform's settings were changed.
    SettingsChanged = "SETTINGS_CHANGED",
    /// A super admin or a job opened a platform unit.
    PlatformAccess = "PLATFORM_ACCESS",
    /// A month of usage was closed.
    UsageClosed = "USAGE_CLOSED",
    /// A new API key was issued to a user.
    ApiKeyIssued = "API_KEY_ISSUED",
    /// A user's API key was revoked.
    ApiKeyRevoked = "API_KEY_REVOKED",
    /// Secrets of a column were re-encrypted to the active key, or to the form that its policy writes.
    SecretsReencrypted = "SECRETS_REENCRYPTED",
    /// A key that no value uses any more was destroyed.
    KeyDestroyed = "KEY_DESTROYED",
    /// All rows of a tenant were exported.
    TenantExported = "TENANT_EXPORTED",
    /// All rows of a tenant were imported.
    TenantImported = "TENANT_IMPORTED",
    /// All rows of a tenant were erased.
    TenantErased = "TENANT_ERASED",
    /// A user attempted an action that the role does not allow.
    AccessRefused = "ACCESS_REFUSED",
    /// An agency's name or settings were changed.
    AgencyChanged = "AGENCY_CHANGED",
    /// The record of a migration was fixed.
    MigrationResolved = "MIGRATION_RESOLVED",
    /// A backup was made.
    BackupCreated = "BACKUP_CREATED",
    /// A backup was restored into a scratch database and checked.
    BackupVerified = "BACKUP_VERIFIED",
    /// Old backups were removed.
    BackupsPruned = "BACKUPS_PRUNED",
    /// A backup was restored.
    BackupRestored = "BACKUP_RESTORED",
    /// Point-in-time recovery was set up: the replication slot and the folder.
    PitrInitialized = "PITR_INITIALIZED",
    /// A base for point-in-time recovery was made.
    PitrBaseCreated = "PITR_BASE_CREATED",
    /// The cluster was restored to a time.
    PitrRestored = "PITR_RESTORED",
    /// A drill of point-in-time recovery: one record before the noted time, one after it, and one with the result.
    PitrDrill = "PITR_DRILL",
    /// Personal parts of the log's records were erased.
    SubjectErased = "SUBJECT_ERASED",
    /// Sealed batches of the log were removed because of their age.
    AuditRetention = "AUDIT_RETENTION",
    /// Recording of ordinary events was switched off: the last record before the gap.
    AuditLoggingStopped = "AUDIT_LOGGING_STOPPED",
    /// Recording of ordinary events was switched on: the first record after the gap.
    AuditLoggingStarted = "AUDIT_LOGGING_STARTED",
}

impl Action {
    /// Returns whether the action is not recorded while the setting `auditLogging` is off: daily work and a service's
    /// own actions. All other actions concern security or evidence, and are always recorded.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::RequestCreated | Self::RequestStatusChanged | Self::UsageClosed | Self::Other(_))
    }
}
