#![doc = include_str!("../README.md")]

mod common_unit;
mod label;
mod limits;
mod loader;
mod patch;
mod reading;
#[cfg_attr(feature = "mock", expect(clippy::struct_field_names, reason = "a mock's fields are named for the methods"))]
mod store;
mod tx;
mod unit;
mod unit_context;

mod audit;
mod connections;
mod identity;
mod operations;
mod own;
mod requests;
mod secrets;
mod tasks;
mod tenant_transfer;
mod usage;
mod users;

pub use common_unit::CommonUnit;
pub use limits::{MAX_JSON_BYTES, MAX_LINE_BYTES, MAX_SECRET_BYTES, MAX_TEXT_BYTES};
pub use loader::{Loaded, Loader};
pub use patch::Patch;
pub use reading::Reading;
pub use store::{
    AddRequest, AddingRequest, Configurable, Credential, DatabaseStore, KeySource, OfCredential, OfIdentities,
    OfOneTenant, OfOperations, OfPlatform, OfSuperAdmin, OfTenant, OpenReadOnly, OpenUnit, Openable, Opening,
    ReadingAs, SavingConnection, SettingStatus, SigningIn, Store, StoreExt, TenantAccess,
};
pub use unit::{IdentityUnit, OperationsUnit, PlatformUnit, TenantUnit, Unit};

// The parts of a unit of work that callers need. The types that send statements are not exported.
pub use rylie_tenancy::{
    BulkOutcome, CallSite, Confirmed, ConnectionError, Cursor, Error, Fault, Grant, Holder, KeysetPage, KeysetRequest,
    LogPosition, Page, PageItem, PageRequest, Pool, PoolOptions, Progress, Reach, ReplicaStatus, Replicas, Result,
    Retry, Retryable, RowStream, Savepoint, Server, SignedInUser, StatementLoop, StoredMarker, Table, TenantScope,
    TenantUnits, UnitOptions, retry, stream_of,
};

pub use audit::{
    AuditExtent, AuditFilter, AuditReader, AuditRepository, AuditSealRepository, LeafPage, LeafPlace, NewSeal,
    PlacedLeaf, PlacedTenant, RemovedBatches, StrayPage,
};
pub use connections::{
    Ga4ConnectionRepository, NewGa4Connection, NewSearchConsoleConnection, SearchConsoleConnectionRepository,
};
pub use identity::{
    ANSWERS_KEPT, AccountRepository, ApiKeyRepository, ApiKeySignIn, Claim, IdempotencyRepository, IdentityRepository,
    MAX_ANSWER_BYTES, MAX_IDEMPOTENCY_KEY_BYTES, NewAccount, SessionRepository, VerificationTokenRepository,
};
pub use operations::{
    Alert, AlertEvent, AlertRepository, Delivery, Expirable, ExpiryRepository, JobRun, JobRunRepository, KeptSize,
    Lease, PastSize, RunStatus, SettingsChanges, SettingsRepository, SizeHistory,
};
pub use own::{OwnSchema, OwnTableInfo, OwnTables, OwnUnit, load};
pub use requests::{
    NewRequest, NewSeoWorksMapping, RequestChanges, RequestFilter, RequestOverview, RequestRepository, RequestSummary,
    RequestWithTasks, SeoWorksMappingRepository,
};
pub use secrets::{
    Keys, NewValues, OpenedTokens, SecretColumn, SecretPolicies, SecretPolicy, SecretSurvey, SecretValueRepository,
    SecretsReencrypted, UnreadableSecret,
};
pub use tasks::{NewTask, TaskFilter, TaskRepository};
pub use tenant_transfer::{
    BeyondTenant, KEPT_USERS, SeededRow, TenantCounts, TenantInventory, TenantPage, TenantRow, TenantRules,
    TenantTransfer, without_sign_ins,
};
pub use usage::{ClosedBatch, Month, Quota, Quotas, UsageClosing, UsageRepository, Used};
pub use users::{
    AgencyAdministration, AgencyChanges, AgencyRepository, NewAgency, NewUser, PreferencesChanges,
    PreferencesRepository, UserChanges, UserFilter, UserRepository, UserSummary,
};

#[cfg(feature = "mock")]
pub use {
    audit::{MockAuditRepository, MockAuditSealRepository},
    connections::{MockGa4ConnectionRepository, MockSearchConsoleConnectionRepository},
    identity::{
        MockAccountRepository, MockApiKeyRepository, MockApiKeySignIn, MockIdempotencyRepository,
        MockIdentityRepository, MockSessionRepository, MockVerificationTokenRepository,
    },
    operations::{
        MockAlertRepository, MockExpiryRepository, MockJobRunRepository, MockSettingsRepository, MockSizeHistory,
    },
    own::OwnMocks,
    requests::{MockRequestRepository, MockSeoWorksMappingRepository},
    secrets::MockSecretValueRepository,
    store::MockStore,
    tasks::MockTaskRepository,
    tenant_transfer::MockTenantTransfer,
    unit::{MockIdentityUnit, MockOperationsUnit, MockPlatformUnit, MockTenantUnit, MockedUnit},
    usage::{MockUsageClosing, MockUsageRepository},
    users::{MockAgencyAdministration, MockAgencyRepository, MockPreferencesRepository, MockUserRepository},
};
