//! A mock of the store.

use async_trait::async_trait;

use super::Store;
use crate::unit::{IdentityUnit, OperationsUnit, PlatformUnit, TenantUnit};
use crate::{CallSite, Grant, MockIdentityUnit, Result, SignedInUser, TenantScope, UnitOptions};

mockall::mock! {
    /// A mock of [`Store`]. Its other methods call the four that expect calls.
    pub Store {}

    #[async_trait]
    impl Store for Store {
        async fn open_tenant(
            &self,
            scope: &TenantScope,
            options: UnitOptions,
            opened_at: CallSite,
        ) -> Result<Box<dyn TenantUnit>>;

        async fn open_identity(&self, opened_at: CallSite) -> Result<Box<dyn IdentityUnit>>;

        async fn open_platform(
            &self,
            grant: Grant,
            options: UnitOptions,
            opened_at: CallSite,
        ) -> Result<Box<dyn PlatformUnit>>;

        async fn open_operations(&self, opened_at: CallSite) -> Result<Box<dyn OperationsUnit>>;
    }
}

impl MockStore {
    /// Creates a mock in which every token and every API key signs this user in. Expect `open_tenant` for the units.
    #[must_use]
    pub fn signed_in(user: SignedInUser) -> Self {
        let mut store = Self::new();
        store.expect_open_identity().returning(move |_| {
            let mut unit = MockIdentityUnit::default();
            let (by_token, by_key) = (user.clone(), user.clone());
            unit.sessions.expect_signed_in().returning(move |_| Ok(Some(by_token.clone())));
            unit.api_keys.expect_signed_in().returning(move |_| Ok(Some(by_key.clone())));
            Ok(Box::new(unit))
        });
        store
    }
}
