#![doc = include_str!("../README.md")]

mod bulk;
mod cursor;
mod error;
mod fence;
mod grant;
mod keyset;
mod owner;
mod page;
mod pool;
mod retry;
mod scope;
#[cfg_attr(feature = "mock", expect(clippy::struct_field_names, reason = "a mock's fields are named for the methods"))]
mod store;
mod unit;
mod unit_options;

mod accounts;
mod agencies;
mod audit;
mod expiry;
#[cfg_attr(feature = "mock", expect(unreachable_pub, reason = "what mockall adds is seen through a macro of ours"))]
mod ga4_connections;
mod google_connections;
mod identities;
mod preferences;
mod requests;
#[cfg_attr(feature = "mock", expect(unreachable_pub, reason = "what mockall adds is seen through a macro of ours"))]
mod search_console_connections;
mod seoworks_mappings;
mod sessions;
mod settings;
mod soft_deletion;
mod tasks;
mod usage;
mod usage_closing;
mod users;
mod vault;
mod verification_tokens;

pub use bulk::{BulkOutcome, Progress};
pub use cursor::Cursor;
pub use error::{Error, Fault, Result};
pub use fence::Savepoint;
pub use grant::Grant;
pub use keyset::{KeysetPage, KeysetRequest};
pub use page::{Page, PageRequest};
pub use pool::{Holder, Pool, PoolOptions};
pub use retry::{Retry, Retryable, retry};
pub use scope::{Reach, SignedInUser, TenantScope};
pub use store::{DatabaseStore, Store};
pub use unit::{IdentityUnit, PlatformUnit, TenantUnit};
pub use unit_options::UnitOptions;

pub use accounts::{AccountRepository, NewAccount};
pub use agencies::{AgencyAdministration, AgencyChanges, AgencyRepository, NewAgency};
pub use audit::{AuditFilter, AuditRepository};
pub use expiry::ExpiryRepository;
pub use ga4_connections::{Ga4ConnectionRepository, NewGa4Connection};
pub use identities::IdentityRepository;
pub use preferences::{PreferencesChanges, PreferencesRepository};
pub use requests::{
    NewRequest, RequestChanges, RequestFilter, RequestOverview, RequestRepository, RequestSummary, RequestWithTasks,
};
pub use search_console_connections::{NewSearchConsoleConnection, SearchConsoleConnectionRepository};
pub use seoworks_mappings::{NewSeoWorksMapping, SeoWorksMappingRepository};
pub use sessions::SessionRepository;
pub use settings::{SettingsChanges, SettingsRepository};
pub use tasks::{NewTask, TaskFilter, TaskRepository};
pub use usage::UsageRepository;
pub use usage_closing::{ClosedUsage, UsageClosing};
pub use users::{NewUser, UserChanges, UserFilter, UserRepository, UserSummary};
pub use vault::{Keys, OpenedTokens};
pub use verification_tokens::VerificationTokenRepository;

#[cfg(feature = "mock")]
pub use {
    accounts::MockAccountRepository,
    agencies::{MockAgencyAdministration, MockAgencyRepository},
    audit::MockAuditRepository,
    expiry::MockExpiryRepository,
    ga4_connections::MockGa4ConnectionRepository,
    identities::MockIdentityRepository,
    preferences::MockPreferencesRepository,
    requests::MockRequestRepository,
    search_console_connections::MockSearchConsoleConnectionRepository,
    seoworks_mappings::MockSeoWorksMappingRepository,
    sessions::MockSessionRepository,
    settings::MockSettingsRepository,
    store::MockStore,
    tasks::MockTaskRepository,
    unit::{MockIdentityUnit, MockPlatformUnit, MockTenantUnit},
    usage::MockUsageRepository,
    usage_closing::MockUsageClosing,
    users::MockUserRepository,
    verification_tokens::MockVerificationTokenRepository,
};
