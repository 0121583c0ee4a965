//! A service over the store, and its test without a database: `cargo run --example mocked_service`.
//!
//! A service takes `&dyn Store` and does not know what stands behind it. In a test that is a `MockStore`, which gives
//! units made of mocks; each is told what to expect, and what it was not told it refuses.

use std::sync::atomic::Ordering;

use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MockStore, MockTenantUnit};

/// The service: cancels what the signed-in user ordered, and says how much that was.
async fn cancel(store: &dyn Store, scope: &TenantScope, ids: Vec<RequestId>) -> Result<u64, Error> {
    let unit = store.tenant(scope).await?;
    let done = unit.requests().set_status_many(ids, RequestStatus::Cancelled, Progress::none()).await?;
    // Dropped without a commit, the unit undoes itself.
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
            .withf(|ids, status, _| ids.len() == 2 && *status == RequestStatus::Cancelled)
            .times(1)
            .returning(move |_, _, _| Ok(BulkOutcome { asked: 2, changed: 2 - not_found, not_found }));
        let committed = unit.commits.clone();
        let mut store = MockStore::new();
        store.expect_open_tenant().times(1).return_once(|_, _, _| Ok(Box::new(unit)));

        let done = cancel(&store, &scope, vec!["one".parse()?, "two".parse()?]).await;

        assert_eq!(done.ok(), cancelled);
        assert_eq!(committed.load(Ordering::SeqCst), commits);
    }
    println!("the service cancels all of it or nothing, and no database was there to see it");
    Ok(())
}
