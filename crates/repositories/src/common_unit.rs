//! The repositories that tenant and platform units share, for code that serves both.

use crate::unit::{PlatformUnit, TenantUnit};
use crate::{
    AgencyRepository, ApiKeyRepository, AuditRepository, Ga4ConnectionRepository, PreferencesRepository,
    RequestRepository, SearchConsoleConnectionRepository, SeoWorksMappingRepository, TaskRepository, UsageRepository,
    UserRepository,
};

/// Defines the trait and implements it for both kinds of units.
macro_rules! common {
    ($($name:ident: $repository:ident),+) => {
        /// The repositories that tenant and platform units share. A function that takes `&dyn CommonUnit` serves the
        /// handlers of an agency and those of a super admin: the unit decides which rows it reaches.
        ///
        /// ```
        /// use rylie_repositories::{CommonUnit, Page, PageRequest, RequestFilter, Result};
        /// # use rylie_entities::Request;
        ///
        /// async fn page(unit: &dyn CommonUnit) -> Result<Page<Request>> {
        ///     unit.requests().list(RequestFilter::default(), PageRequest::default()).await
        /// }
        /// ```
        pub trait CommonUnit: Send + Sync {
            $(#[doc = concat!("Returns the [`", stringify!($repository), "`].")] fn $name(&self) -> &dyn $repository;)+
        }

        impl CommonUnit for Box<dyn TenantUnit> {
            $(fn $name(&self) -> &dyn $repository {
                (**self).$name()
            })+
        }

        impl CommonUnit for Box<dyn PlatformUnit> {
            $(fn $name(&self) -> &dyn $repository {
                (**self).$name()
            })+
        }

        impl CommonUnit for crate::TenantAccess {
            $(fn $name(&self) -> &dyn $repository {
                (**self).$name()
            })+
        }
    };
}
common!(
    users: UserRepository,
    agencies: AgencyRepository,
    preferences: PreferencesRepository,
    requests: RequestRepository,
    tasks: TaskRepository,
    seoworks_mappings: SeoWorksMappingRepository,
    ga4_connections: Ga4ConnectionRepository,
    search_console_connections: SearchConsoleConnectionRepository,
    api_keys: ApiKeyRepository,
    usage: UsageRepository,
    audit: AuditRepository
);
