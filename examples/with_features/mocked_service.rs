//! A service over the store, and its test without a database:
//! `cargo run -p rylie-examples-with-features --example mocked_service`.
//!
//! A service takes `&dyn Store`. In a test it gets a `MockStore`, whose units consist of mocks. A mock fails on a call
//! without an expectation.

use std::sync::atomic::Ordering;

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MockStore, MockTenantUnit};

/// The service: cancels requests of the signed-in user, and returns how many.
async fn cancel(store: &dyn Store, scope: &TenantScope, ids: &[RequestId]) -> Result<u64, Error> {
    let unit = store.tenant(scope).await?;
    let done = unit.requests().set_status_many(ids, RequestStatus::Cancelled).await?;
    // If the unit is dropped without a commit, it rolls back.
    let done = done.all_found("Request")?;
    unit.commit().await?;
    Ok(done.changed)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ann = SignedInUser::for_tests("ann".parse()?, UserRole::User, None);
    let scope = TenantScope::of(&ann, Origin::default());

    for (not_found, cancelled, commits) in [(0, Some(2), 1), (1, None, 0)] {
        let mut unit = MockTenantUnit::default();
        unit.requests
            .expect_set_status_many()
            .withf(|ids, status| ids.len() == 2 && *status == RequestStatus::Cancelled)
            .times(1)
            .returning(move |_, _| Ok(BulkOutcome { asked: 2, changed: 2 - not_found, not_found }));
        let committed = unit.commits.clone();
        let mut store = MockStore::new();
        store.expect_open_tenant().times(1).return_once(|_, _, _| Ok(Box::new(unit)));

        let done = cancel(&store, &scope, &["one".parse()?, "two".parse()?]).await;

        assert_eq!(done.ok(), cancelled);
        assert_eq!(committed.load(Ordering::SeqCst), commits);
    }
    println!("the service cancels all requests or none, tested without a database");
    Ok(())
}
