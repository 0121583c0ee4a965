//! Units of work: one transaction each, with the repositories of one kind of unit.

use async_trait::async_trait;

use crate::tx::Tx;
#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "a unit names every repository"))]
use crate::*;

/// A unit of work: one transaction.
///
/// Dropping it without [`commit`](Self::commit) rolls it back.
#[must_use = "a unit that is not committed is rolled back"]
#[async_trait]
pub trait Unit: Send + Sync {
    /// Commits the unit's changes. One round trip; none if the unit only read.
    ///
    /// Fails with [`Error::UnitFailed`] if a statement failed before; nothing is committed then. Fails with
    /// [`Error::OutcomeUnknown`] if the connection breaks during the commit. A caller that is cancelled during
    /// the commit does not learn the outcome either.
    async fn commit(self: Box<Self>) -> Result<()>;

    /// Rolls the unit's changes back. Dropping does so too, and logs a warning: there it may be a forgotten commit. On
    /// SQLite the write lock is free when this returns; on PostgreSQL the rollback runs in the background.
    async fn rollback(self: Box<Self>);

    /// As [`commit`](Self::commit), and returns a log position behind the changes. A unit opened
    /// [`after`](OpenReadOnly::after()) it sees them on any server. One round trip. If the unit only read:
    /// none, and the position precedes everything. Fails as [`commit`](Self::commit) does.
    async fn commit_with_position(self: Box<Self>) -> Result<LogPosition>;

    /// Returns a log position behind everything that this unit sees. A unit opened
    /// [`after`](OpenReadOnly::after()) it sees no older state. One round trip; none on SQLite.
    async fn log_position(&self) -> Result<LogPosition>;

    /// Returns the server that the unit works on.
    fn server(&self) -> Server;

    /// Sets the receiver of the progress of later bulk calls. By default nothing receives it.
    fn report_to(&self, progress: Progress);

    /// Begins a savepoint: a part of the unit that can be undone alone. One round trip.
    async fn savepoint(&self) -> Result<Savepoint<'_>>;

    /// Returns the number of statements sent so far, without begin, end and savepoints.
    fn statements(&self) -> u64;
}

#[async_trait]
impl Unit for Tx {
    async fn commit(self: Box<Self>) -> Result<()> {
        self.into_inner().commit().await
    }

    async fn rollback(self: Box<Self>) {
        self.into_inner().rollback().await;
    }

    async fn commit_with_position(self: Box<Self>) -> Result<LogPosition> {
        self.into_inner().commit_with_position().await
    }

    async fn log_position(&self) -> Result<LogPosition> {
        rylie_tenancy::Tx::log_position(self).await
    }

    fn server(&self) -> Server {
        rylie_tenancy::Tx::server(self)
    }

    fn report_to(&self, progress: Progress) {
        rylie_tenancy::Tx::report_to(self, progress);
    }

    async fn savepoint(&self) -> Result<Savepoint<'_>> {
        rylie_tenancy::Tx::savepoint(self).await
    }

    fn statements(&self) -> u64 {
        rylie_tenancy::Tx::statements(self)
    }
}

/// A unit of mocks.
#[cfg(feature = "mock")]
pub trait MockedUnit: Send + Sync + 'static {
    /// Returns the number of commits.
    fn commits(&self) -> &std::sync::atomic::AtomicU64;
}

#[cfg(feature = "mock")]
#[async_trait]
impl<M: MockedUnit> Unit for M {
    async fn commit(self: Box<Self>) -> Result<()> {
        self.commits().fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    }

    async fn rollback(self: Box<Self>) {}

    async fn commit_with_position(self: Box<Self>) -> Result<LogPosition> {
        self.commit().await?;
        Ok(LogPosition::default())
    }

    async fn log_position(&self) -> Result<LogPosition> {
        Ok(LogPosition::default())
    }

    fn server(&self) -> Server {
        Server::Primary
    }

    fn report_to(&self, _: Progress) {}

    async fn savepoint(&self) -> Result<Savepoint<'_>> {
        Ok(Savepoint::default())
    }

    fn statements(&self) -> u64 {
        0
    }
}

/// Defines a unit from one list of repositories: its trait, the implementation by [`Tx`], and the mock.
macro_rules! unit {
    (
        $(#[$doc:meta])* $unit:ident, mocked by $mock:ident $(, with $own:ident)? {
            $($(#[$repository_doc:meta])* $name:ident: $repository:ident, mocked by $repository_mock:ident;)+
        }
    ) => {
        $(#[$doc])*
        #[must_use = "a unit that is not committed is rolled back"]
        pub trait $unit: Unit {
            $($(#[$repository_doc])* fn $name(&self) -> &dyn $repository;)+

            $(
                /// The service's own repositories; [`repositories!`](crate::repositories!) makes methods for them.
                fn $own(&self) -> OwnUnit<'_>;
            )?
        }

        impl $unit for Tx {
            $(fn $name(&self) -> &dyn $repository {
                self
            })+

            $(fn $own(&self) -> OwnUnit<'_> {
                OwnUnit::of_tables(self.own_tables())
            })?
        }

        #[doc = concat!("A [`", stringify!($unit), "`] of mocks, one per repository. `commit` succeeds and is counted.")]
        #[cfg(feature = "mock")]
        #[derive(Default)]
        pub struct $mock {
            $(#[doc = concat!("The mock that `", stringify!($name), "()` returns.")] pub $name: $repository_mock,)+
            $(
                /// The mocks of the service's own repositories.
                pub $own: OwnMocks,
            )?
            /// Counts the commits of a unit made from this. Clone it before you pass the unit on.
            pub commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
        }

        #[cfg(feature = "mock")]
        impl MockedUnit for $mock {
            fn commits(&self) -> &std::sync::atomic::AtomicU64 {
                &self.commits
            }
        }

        #[cfg(feature = "mock")]
        impl $unit for $mock {
            $(fn $name(&self) -> &dyn $repository {
                &self.$name
            })+

            $(fn $own(&self) -> OwnUnit<'_> {
                OwnUnit::of_mocks(&self.$own)
            })?
        }
    };
}

unit! {
    /// A unit on the rows of one tenant, within the scope's reach.
    TenantUnit, mocked by MockTenantUnit, with own {
        /// The tenant's users.
        users: UserRepository, mocked by MockUserRepository;
        /// The tenant's own agency.
        agencies: AgencyRepository, mocked by MockAgencyRepository;
        /// Notification preferences of users.
        preferences: PreferencesRepository, mocked by MockPreferencesRepository;
        /// Requests for SEO work.
        requests: RequestRepository, mocked by MockRequestRepository;
        /// The tasks within requests.
        tasks: TaskRepository, mocked by MockTaskRepository;
        /// The SEOWorks task of each request.
        seoworks_mappings: SeoWorksMappingRepository, mocked by MockSeoWorksMappingRepository;
        /// Connections to Google Analytics 4.
        ga4_connections: Ga4ConnectionRepository, mocked by MockGa4ConnectionRepository;
        /// Connections to Google Search Console.
        search_console_connections: SearchConsoleConnectionRepository, mocked by MockSearchConsoleConnectionRepository;
        /// API keys.
        api_keys: ApiKeyRepository, mocked by MockApiKeyRepository;
        /// Usage of closed months.
        usage: UsageRepository, mocked by MockUsageRepository;
        /// Calls that the user may repeat.
        idempotency: IdempotencyRepository, mocked by MockIdempotencyRepository;
        /// The tenant's part of the audit log.
        audit: AuditRepository, mocked by MockAuditRepository;
    }
}

unit! {
    /// A unit before the tenant is known: users by address, accounts, sessions, one-time tokens.
    IdentityUnit, mocked by MockIdentityUnit {
        /// Users by e-mail address.
        identities: IdentityRepository, mocked by MockIdentityRepository;
        /// Accounts with OAuth providers.
        accounts: AccountRepository, mocked by MockAccountRepository;
        /// Signed-in sessions.
        sessions: SessionRepository, mocked by MockSessionRepository;
        /// Signing in by API key.
        api_keys: ApiKeySignIn, mocked by MockApiKeySignIn;
        /// One-time tokens.
        verification_tokens: VerificationTokenRepository, mocked by MockVerificationTokenRepository;
    }
}

unit! {
    /// A unit across tenants, for a super admin or a named job that states a reason.
    PlatformUnit, mocked by MockPlatformUnit, with own {
        /// All users.
        users: UserRepository, mocked by MockUserRepository;
        /// Users by e-mail address.
        identities: IdentityRepository, mocked by MockIdentityRepository;
        /// Accounts with OAuth providers.
        accounts: AccountRepository, mocked by MockAccountRepository;
        /// Signed-in sessions.
        sessions: SessionRepository, mocked by MockSessionRepository;
        /// All agencies.
        agencies: AgencyRepository, mocked by MockAgencyRepository;
        /// Adding and removing agencies.
        agency_administration: AgencyAdministration, mocked by MockAgencyAdministration;
        /// Preferences of all users.
        preferences: PreferencesRepository, mocked by MockPreferencesRepository;
        /// All requests.
        requests: RequestRepository, mocked by MockRequestRepository;
        /// All tasks.
        tasks: TaskRepository, mocked by MockTaskRepository;
        /// All mappings to SEOWorks.
        seoworks_mappings: SeoWorksMappingRepository, mocked by MockSeoWorksMappingRepository;
        /// All connections to Google Analytics 4.
        ga4_connections: Ga4ConnectionRepository, mocked by MockGa4ConnectionRepository;
        /// All connections to Google Search Console.
        search_console_connections: SearchConsoleConnectionRepository, mocked by MockSearchConsoleConnectionRepository;
        /// API keys.
        api_keys: ApiKeyRepository, mocked by MockApiKeyRepository;
        /// All stored secrets, by key and form.
        secret_values: SecretValueRepository, mocked by MockSecretValueRepository;
        /// Usage of closed months, of all users.
        usage: UsageRepository, mocked by MockUsageRepository;
        /// Closing months of usage.
        usage_closing: UsageClosing, mocked by MockUsageClosing;
        /// Removing expired rows.
        expiry: ExpiryRepository, mocked by MockExpiryRepository;
        /// Whole tenants.
        tenant_transfer: TenantTransfer, mocked by MockTenantTransfer;
        /// The platform's settings.
        settings: SettingsRepository, mocked by MockSettingsRepository;
        /// Job runs. A job finishes its run in the unit that does its work.
        job_runs: JobRunRepository, mocked by MockJobRunRepository;
        /// The whole audit log.
        audit: AuditRepository, mocked by MockAuditRepository;
        /// The seals of the audit log.
        audit_seals: AuditSealRepository, mocked by MockAuditSealRepository;
    }
}

unit! {
    /// A unit on operational tables, which jobs and engine maintenance write. It reaches no tenant's row.
    OperationsUnit, mocked by MockOperationsUnit {
        /// The runs of jobs.
        job_runs: JobRunRepository, mocked by MockJobRunRepository;
        /// Database sizes over time.
        size_history: SizeHistory, mocked by MockSizeHistory;
        /// Alerts and their deliveries.
        alerts: AlertRepository, mocked by MockAlertRepository;
    }
}
