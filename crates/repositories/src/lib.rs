#![doc = include_str!("../README.md")]

mod billing_period;
mod bulk;
mod cursor;
mod error;
mod fence;
mod grant;
mod keyset;
mod label;
mod loader;
mod log_position;
mod measures;
mod owner;
mod page;
mod pool;
mod quota;
mod replicas;
mod retry;
mod scope;
mod sealer;
#[cfg_attr(feature = "mock", expect(clippy::struct_field_names, reason = "a mock's fields are named for the methods"))]
mod store;
mod stream;
mod unit;
mod unit_options;

mod accounts;
mod agencies;
mod alerts;
mod api_keys;
mod audit;
mod audit_erasure;
mod audit_reader;
mod audit_rows;
mod audit_seals;
mod audit_structure;
mod audit_switch;
mod audit_tenant;
mod expiry;
#[cfg_attr(feature = "mock", expect(unreachable_pub, reason = "what mockall adds is seen through a macro of ours"))]
mod ga4_connections;
mod google_connections;
mod identities;
#[cfg_attr(feature = "mock", expect(clippy::ref_option_ref, reason = "what mockall adds compares references"))]
mod job_runs;
mod preferences;
mod protection;
mod refusals;
mod requests;
#[cfg_attr(feature = "mock", expect(unreachable_pub, reason = "what mockall adds is seen through a macro of ours"))]
mod search_console_connections;
mod secret_values;
mod seoworks_mappings;
mod sessions;
mod settings;
mod size_history;
mod soft_delete;
mod tasks;
mod tenant_transfer;
mod usage;
mod usage_closing;
mod users;
mod vault;
mod verification_tokens;

pub use billing_period::Month;
pub use bulk::{BulkOutcome, Progress};
pub use cursor::Cursor;
pub use error::{Error, Fault, Result};
pub use fence::Savepoint;
pub use grant::Grant;
pub use keyset::{KeysetPage, KeysetRequest};
pub use loader::{Loaded, Loader};
pub use log_position::LogPosition;
pub use page::{Page, PageRequest};
pub use pool::{Holder, Pool, PoolOptions, Server, StoredMark};
pub use quota::{Quota, Quotas};
pub use replicas::{ReplicaStatus, Replicas};
pub use retry::{Retry, Retryable, retry};
pub use scope::{Reach, SignedInUser, TenantScope};
pub use store::{DatabaseStore, KeySource, Store};
pub use stream::{RowStream, stream_of};
pub use unit::{BooksUnit, IdentityUnit, PlatformUnit, TenantUnit};
pub use unit_options::UnitOptions;

pub use accounts::{AccountRepository, NewAccount};
pub use agencies::{AgencyAdministration, AgencyChanges, AgencyRepository, NewAgency};
pub use alerts::{Alert, AlertEvent, AlertRepository, Delivery};
pub use api_keys::{ApiKeyRepository, ApiKeySignIn};
pub use audit::{AuditFilter, AuditRepository};
pub use audit_reader::AuditReader;
pub use audit_seals::{AuditSealRepository, NewSeal, RemovedBatches};
pub use expiry::{ExpiryRepository, Kept};
pub use ga4_connections::{Ga4ConnectionRepository, NewGa4Connection};
pub use identities::IdentityRepository;
pub use job_runs::{JobRun, JobRunRepository, Lease, RunStatus};
pub use preferences::{PreferencesChanges, PreferencesRepository};
pub use requests::{
    NewRequest, RequestChanges, RequestFilter, RequestOverview, RequestRepository, RequestSummary, RequestWithTasks,
};
pub use search_console_connections::{NewSearchConsoleConnection, SearchConsoleConnectionRepository};
pub use secret_values::{SecretSurvey, SecretValueRepository, SecretsReencrypted, UnreadableSecret};
pub use seoworks_mappings::{NewSeoWorksMapping, SeoWorksMappingRepository};
pub use sessions::SessionRepository;
pub use settings::{SettingsChanges, SettingsRepository};
pub use size_history::{KeptSize, PastSize, SizeHistory};
pub use tasks::{NewTask, TaskFilter, TaskRepository};
pub use tenant_transfer::{
    BeyondTenant, KEPT_USERS, TenantCounts, TenantInventory, TenantRow, TenantRules, TenantTransfer, without_sign_ins,
};
pub use usage::{UsageRepository, Used};
pub use usage_closing::{ClosedBatch, UsageClosing};
pub use users::{NewUser, UserChanges, UserFilter, UserRepository, UserSummary};
pub use vault::{Keys, NewValues, OpenedTokens, SecretColumn, SecretPolicies, SecretPolicy};
pub use verification_tokens::VerificationTokenRepository;

#[cfg(feature = "mock")]
pub use {
    accounts::MockAccountRepository,
    agencies::{MockAgencyAdministration, MockAgencyRepository},
    alerts::MockAlertRepository,
    api_keys::{MockApiKeyRepository, MockApiKeySignIn},
    audit::MockAuditRepository,
    audit_seals::MockAuditSealRepository,
    expiry::MockExpiryRepository,
    ga4_connections::MockGa4ConnectionRepository,
    identities::MockIdentityRepository,
    job_runs::MockJobRunRepository,
    preferences::MockPreferencesRepository,
    requests::MockRequestRepository,
    search_console_connections::MockSearchConsoleConnectionRepository,
    secret_values::MockSecretValueRepository,
    seoworks_mappings::MockSeoWorksMappingRepository,
    sessions::MockSessionRepository,
    settings::MockSettingsRepository,
    size_history::MockSizeHistory,
    store::MockStore,
    tasks::MockTaskRepository,
    tenant_transfer::MockTenantTransfer,
    unit::{MockBooksUnit, MockIdentityUnit, MockPlatformUnit, MockTenantUnit},
    usage::MockUsageRepository,
    usage_closing::MockUsageClosing,
    users::MockUserRepository,
    verification_tokens::MockVerificationTokenRepository,
};
