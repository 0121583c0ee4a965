//! Tests a service without a database, as users of the library do.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rylie_db::entities::RequestStatus;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, MockPlatformUnit, MockStore, MockTenantUnit, NewGa4Connection};

/// The service under test: begins the pending requests of a tenant.
async fn begin_pending(store: &dyn Store, scope: &TenantScope) -> Result<u64, Error> {
    let unit = store.tenant(scope).await?;
    let filter = RequestFilter { status: Some(RequestStatus::Pending), ..Default::default() };
    let pending = unit.requests().overview(filter, KeysetRequest::default()).await?;
    let ids: Vec<_> = pending.items.into_iter().map(|item| item.request.id).collect();
    let begun = unit.requests().set_status_many(&ids, RequestStatus::InProgress).await?;
    unit.audit().record(Event::new(Action::Other("REQUESTS_BEGUN".into())).with("count", begun.changed)).await?;
    unit.commit().await?;
    Ok(begun.changed)
}

fn scope() -> TenantScope {
    let user = SignedInUser::for_tests("ann".parse().unwrap(), UserRole::AgencyAdmin, Some("agency".parse().unwrap()));
    TenantScope::of(&user, Origin::default())
}

fn store_of(unit: MockTenantUnit) -> MockStore {
    let mut store = MockStore::new();
    let mut unit = Some(unit);
    store.expect_open_tenant().times(1).returning(move |scope, options, _| {
        assert_eq!((scope.tenant().as_str(), options), ("agency", UnitOptions::default()));
        Ok(Box::new(unit.take().unwrap()))
    });
    store
}

#[tokio::test]
async fn what_was_begun_is_counted_recorded_and_committed() {
    let mut unit = MockTenantUnit::default();
    unit.requests.expect_overview().times(1).returning(|_, _| Ok(KeysetPage { items: Vec::new(), next: None }));
    unit.requests
        .expect_set_status_many()
        .withf(|ids, status| ids.is_empty() && *status == RequestStatus::InProgress)
        .returning(|_, _| Ok(BulkOutcome { asked: 3, changed: 2, not_found: 1 }));
    unit.audit.expect_record().withf(|event| event.details()["count"] == 2).times(1).returning(|_| Ok(()));
    let commits = unit.commits.clone();

    assert_eq!(begin_pending(&store_of(unit), &scope()).await.unwrap(), 2);
    assert_eq!(commits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nothing_is_committed_if_a_step_fails() {
    let mut unit = MockTenantUnit::default();
    unit.requests.expect_overview().returning(|_, _| Err(Error::Timeout));
    let commits = unit.commits.clone();

    assert!(matches!(begin_pending(&store_of(unit), &scope()).await, Err(Error::Timeout)));
    assert_eq!(commits.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn work_that_loses_is_tried_again_and_not_forever() {
    let tries = std::cell::Cell::new(0);
    let always = retry(Retry::default(), || async {
        tries.set(tries.get() + 1);
        Err::<(), _>(Error::Contention)
    });
    assert!(matches!(always.await, Err(Error::Contention)));
    assert_eq!(tries.replace(0), 5);

    let never = retry(Retry::default(), || async {
        tries.set(tries.get() + 1);
        Err::<(), _>(Error::UnitFailed)
    });
    assert!(matches!(never.await, Err(Error::UnitFailed)));
    assert_eq!(tries.get(), 1, "what cannot help is not tried again");
}

#[tokio::test]
async fn the_options_of_a_unit_reach_the_store() {
    let mut store = MockStore::new();
    let position = LogPosition::default();
    let wanted = UnitOptions::autocommit().after(position).wait_for_replica(Duration::from_secs(1));
    store.expect_open_tenant().times(1).returning(move |_, options, opened_at| {
        assert_eq!((options, opened_at.file()), (wanted, file!()), "the line that opened it is the caller's");
        Ok(Box::<MockTenantUnit>::default())
    });
    let wanted = UnitOptions::read_only().on_primary().statement_timeout(Duration::from_secs(2));
    store.expect_open_platform().times(1).returning(move |_, options, _| {
        assert_eq!(options, wanted);
        Ok(Box::<MockPlatformUnit>::default())
    });
    let scope = scope();

    let unit = store.tenant(&scope).read_only().after(position).wait_for_replica(Duration::from_secs(1)).autocommit();
    unit.await.unwrap().commit().await.unwrap();
    let unit = store.platform(Grant::job("job", "why").unwrap()).statement_timeout(Duration::from_secs(2));
    unit.read_only().on_primary().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn every_unit_and_its_savepoints_are_mocked() {
    use rylie_db::repositories::MockIdentityUnit;

    let mut store = MockStore::new();
    store.expect_open_identity().returning(|_| Ok(Box::<MockIdentityUnit>::default()));
    store.expect_open_platform().returning(|_, _, _| Ok(Box::<MockPlatformUnit>::default()));
    let store: &dyn Store = &store;

    store.identity().await.unwrap().commit().await.unwrap();
    let unit = store.platform(Grant::job("job", "why").unwrap()).await.unwrap();
    unit.savepoint().await.unwrap().keep().await.unwrap();
    unit.savepoint().await.unwrap().undo().await.unwrap();
    unit.commit().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_saved_at_once_is_saved_and_committed_in_a_unit_of_the_mock() {
    let mut unit = MockTenantUnit::default();
    unit.ga4_connections.expect_save().times(1).returning(|_| Err(Error::Contention));
    let (commits, mut store) = (unit.commits.clone(), MockStore::new());
    let mut unit = Some(unit);
    store.expect_open_tenant().times(1).returning(move |_, _, _| Ok(Box::new(unit.take().unwrap())));

    let saved = store.save_ga4_connection(&scope(), NewGa4Connection::new("token".into())).await;

    assert!(matches!(saved, Err(Error::Contention)));
    assert_eq!(commits.load(Ordering::SeqCst), 0);
}
