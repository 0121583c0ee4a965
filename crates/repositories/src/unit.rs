//! Units of work: one transaction each, seen through one of three doors.

use async_trait::async_trait;

use crate::tx::Tx;
#[cfg_attr(not(test), expect(clippy::wildcard_imports, reason = "a unit names every repository there is"))]
use crate::*;

/// Makes a unit: its trait, its implementation by [`Tx`], and its mock, from one list of repositories.
macro_rules! unit {
    (
        $(#[$doc:meta])* $unit:ident, mocked by $mock:ident {
            $($(#[$repository_doc:meta])* $name:ident: $repository:ident, mocked by $repository_mock:ident;)+
        }
    ) => {
        $(#[$doc])*
        ///
        /// Dropped without [`commit`](Self::commit), it undoes itself.
        #[must_use = "a unit that is not committed undoes itself"]
        #[async_trait]
        pub trait $unit: Send + Sync {
            $($(#[$repository_doc])* fn $name(&self) -> &dyn $repository;)+

            /// Makes the unit's changes durable. One round trip; none if the unit only read.
            ///
            /// [`Error::UnitFailed`] if a statement failed before: nothing is committed then.
            /// [`Error::OutcomeUnknown`] when the connection breaks meanwhile. A caller that is cancelled meanwhile
            /// does not learn the outcome either.
            async fn commit(self: Box<Self>) -> Result<()>;

            /// As [`commit`](Self::commit), and tells a position in the log behind it, so that a unit opened
            /// [`after`](OpenReadOnly::after()) it sees the changes, wherever it reads. One round trip as well; none if
            /// the unit only read, and then everything is after it.
            async fn commit_with_position(self: Box<Self>) -> Result<LogPosition>;

            /// A position in the log that everything this unit sees lies before: a unit opened
            /// [`after`](OpenReadOnly::after()) it sees no older state. One round trip; none on SQLite.
            async fn log_position(&self) -> Result<LogPosition>;

            /// Which server the unit works on.
            fn server(&self) -> Server;

            /// Bulk calls of this unit report to `progress` from now on. Without this they report to nothing.
            fn report_to(&self, progress: Progress);

            /// Begins a part of the unit that can be undone alone. One round trip.
            async fn savepoint(&self) -> Result<Savepoint<'_>>;

            /// How many statements the unit has sent so far, its begin, end and savepoints left out.
            fn statements(&self) -> u64;
        }

        #[async_trait]
        impl $unit for Tx {
            $(fn $name(&self) -> &dyn $repository {
                self
            })+

            async fn commit(self: Box<Self>) -> Result<()> {
                Tx::commit(*self).await
            }

            async fn commit_with_position(self: Box<Self>) -> Result<LogPosition> {
                Tx::commit_with_position(*self).await
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

        #[doc = concat!("A [`", stringify!($unit), "`] of mocks, one a repository; `commit` succeeds and is counted.")]
        #[cfg(feature = "mock")]
        #[derive(Default)]
        pub struct $mock {
            $(#[doc = concat!("What `", stringify!($name), "()` gives.")] pub $name: $repository_mock,)+
            /// How many times a unit made from this was committed; clone it before the unit is handed over.
            pub commits: std::sync::Arc<std::sync::atomic::AtomicU64>,
        }

        #[cfg(feature = "mock")]
        #[async_trait]
        impl $unit for $mock {
            $(fn $name(&self) -> &dyn $repository {
                &self.$name
            })+

            async fn commit(self: Box<Self>) -> Result<()> {
                self.commits.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(())
            }

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
    };
}

unit! {
    /// The rows of one tenant, as far as the scope reaches.
    TenantUnit, mocked by MockTenantUnit {
        /// The tenant's users.
        users: UserRepository, mocked by MockUserRepository;
        /// The tenant's own agency.
        agencies: AgencyRepository, mocked by MockAgencyRepository;
        /// What users want to be told.
        preferences: PreferencesRepository, mocked by MockPreferencesRepository;
        /// Requests for SEO work.
        requests: RequestRepository, mocked by MockRequestRepository;
        /// The tasks within requests.
        tasks: TaskRepository, mocked by MockTaskRepository;
        /// Which task at SEOWorks serves which request.
        seoworks_mappings: SeoWorksMappingRepository, mocked by MockSeoWorksMappingRepository;
        /// Connections to Google Analytics 4.
        ga4_connections: Ga4ConnectionRepository, mocked by MockGa4ConnectionRepository;
        /// Connections to Google Search Console.
        search_console_connections: SearchConsoleConnectionRepository, mocked by MockSearchConsoleConnectionRepository;
        /// Keys to call the service by program.
        api_keys: ApiKeyRepository, mocked by MockApiKeyRepository;
        /// Usage of closed months.
        usage: UsageRepository, mocked by MockUsageRepository;
        /// The tenant's part of the audit log.
        audit: AuditRepository, mocked by MockAuditRepository;
    }
}

unit! {
    /// What is needed before a tenant is known: who is this, and is the session good?
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
    /// All tenants' rows, for a super admin or a job that has said who it is and why.
    PlatformUnit, mocked by MockPlatformUnit {
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
        /// Making and removing agencies.
        agency_administration: AgencyAdministration, mocked by MockAgencyAdministration;
        /// Everybody's preferences.
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
        /// Keys to call the service by program.
        api_keys: ApiKeyRepository, mocked by MockApiKeyRepository;
        /// Every stored secret, by key and form.
        secret_values: SecretValueRepository, mocked by MockSecretValueRepository;
        /// Usage of closed months, of everybody.
        usage: UsageRepository, mocked by MockUsageRepository;
        /// Closing months of usage.
        usage_closing: UsageClosing, mocked by MockUsageClosing;
        /// Removing what has expired.
        expiry: ExpiryRepository, mocked by MockExpiryRepository;
        /// Whole tenants.
        tenant_transfer: TenantTransfer, mocked by MockTenantTransfer;
        /// The platform's settings.
        settings: SettingsRepository, mocked by MockSettingsRepository;
        /// The runs of jobs: a job ends its run in the unit in which it does its work.
        job_runs: JobRunRepository, mocked by MockJobRunRepository;
        /// The whole audit log.
        audit: AuditRepository, mocked by MockAuditRepository;
        /// The seals of the audit log.
        audit_seals: AuditSealRepository, mocked by MockAuditSealRepository;
    }
}

unit! {
    /// The platform's own books: what its jobs and its care of the database write down. No tenant's row is reached.
    BooksUnit, mocked by MockBooksUnit {
        /// The runs of jobs.
        job_runs: JobRunRepository, mocked by MockJobRunRepository;
        /// How the database grew.
        size_history: SizeHistory, mocked by MockSizeHistory;
        /// Thresholds that were crossed.
        alerts: AlertRepository, mocked by MockAlertRepository;
    }
}
