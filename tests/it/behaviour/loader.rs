//! Batched reads by id.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use rylie_db::entities::Request;
use rylie_db::prelude::*;
use rylie_db::repositories::{Error, OperationsUnit};
use tokio::sync::Semaphore;

use super::world;

/// A store that limits and counts the tenant units it opens.
struct Counted {
    store: Arc<dyn Store>,
    opened: AtomicU64,
    failures: AtomicU64,
    allowed: Semaphore,
}

impl Counted {
    fn new(store: Arc<dyn Store>, allowed: usize) -> Arc<Self> {
        Arc::new(Self { store, opened: 0.into(), failures: 0.into(), allowed: Semaphore::new(allowed) })
    }
}

#[async_trait]
impl Store for Counted {
    async fn open_tenant(
        &self,
        scope: &TenantScope,
        options: UnitOptions,
        at: &'static Location<'static>,
    ) -> Result<Box<dyn TenantUnit>, Error> {
        self.opened.fetch_add(1, SeqCst);
        self.allowed.acquire().await.unwrap().forget();
        if self.failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::Contention);
        }
        self.store.open_tenant(scope, options, at).await
    }

    async fn open_identity(&self, at: &'static Location<'static>) -> Result<Box<dyn IdentityUnit>, Error> {
        self.store.open_identity(at).await
    }

    async fn open_platform(
        &self,
        grant: Grant,
        options: UnitOptions,
        at: &'static Location<'static>,
    ) -> Result<Box<dyn PlatformUnit>, Error> {
        self.store.open_platform(grant, options, at).await
    }

    async fn open_operations(&self, at: &'static Location<'static>) -> Result<Box<dyn OperationsUnit>, Error> {
        self.store.open_operations(at).await
    }
}

#[tokio::test]
async fn many_rows_are_found_by_one_statement_and_none_of_another_tenant() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(agency.request().await.unwrap().id);
    }
    let removed = agency.request().await.unwrap().id;
    let unit = agency.unit().await.unwrap();
    unit.requests().remove(&removed).await.unwrap();
    unit.commit().await.unwrap();
    let foreign = other.request().await.unwrap().id;
    let unknown = RequestId::generate(world.env());
    let asked = [ids.clone(), vec![foreign, removed, unknown, ids[0].clone()]].concat();

    // The first call builds the SQL text, the second reuses it.
    for _ in 0..2 {
        let unit = agency.unit().await.unwrap();
        let mut found: Vec<_> =
            unit.requests().find_many(&asked).await.unwrap().into_iter().map(|request| request.id).collect();
        found.sort();
        ids.sort();
        assert_eq!((found, unit.statements()), (ids.clone(), 1));
        assert!(unit.requests().find_many(&[]).await.unwrap().is_empty());
        assert!(unit.tasks().find_many(&[]).await.unwrap().is_empty());
    }
    let unit = agency.unit().await.unwrap();
    let made = unit.tasks().add(&ids[0], NewTask::new("t", TaskType::Page)).await.unwrap();
    assert_eq!(unit.tasks().find_many(&[made.id.clone(), made.id.clone()]).await.unwrap(), [made]);
}

#[tokio::test]
async fn what_is_asked_for_during_a_read_is_read_together() {
    let world = world().await;
    let (agency, other) = (world.agency().await.unwrap(), world.agency().await.unwrap());
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(agency.request().await.unwrap().id);
    }
    let foreign = other.request().await.unwrap().id;
    let counted = Counted::new(world.store(), 0);
    let loader = Loader::<Request>::new(counted.clone(), agency.scope());

    let asked = ids.iter().chain([&foreign, &ids[3]]);
    let reads = join_all(asked.map(|id| loader.find(id.clone())));
    let (found, ()) = join(reads, async { counted.allowed.add_permits(2) }).await;

    let found: Vec<_> = found.into_iter().map(|found| found.unwrap().map(|request| request.id)).collect();
    let mut expected: Vec<_> = ids.iter().cloned().map(Some).collect();
    expected.extend([None, Some(ids[3].clone())]);
    assert_eq!(found, expected);
    assert_eq!(counted.opened.load(SeqCst), 2, "the first one alone, and all who came meanwhile");
    counted.allowed.add_permits(1);
    assert!(matches!(loader.get(foreign).await, Err(Error::NotFound { entity: "Request" })));
}

#[tokio::test]
async fn whom_a_dropped_caller_was_reading_for_reads_for_itself() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let (one, two) = (agency.request().await.unwrap().id, agency.request().await.unwrap().id);
    let counted = Counted::new(world.store(), 0);
    let loader = Loader::<Request>::new(counted.clone(), agency.scope());

    let mut first = Box::pin(loader.find(one.clone()));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(loader.find(two.clone()));
    assert!((&mut second).now_or_never().is_none());
    // The reader of the batch waits now, and is dropped during the read.
    drop(first);
    assert!((&mut second).now_or_never().is_none());
    let mut third = Box::pin(loader.find(one.clone()));
    assert!((&mut third).now_or_never().is_none());
    drop(second);
    counted.allowed.add_permits(1);

    assert_eq!(third.await.unwrap().unwrap().id, one);
    assert_eq!(counted.opened.load(SeqCst), 3);
}

#[tokio::test]
async fn a_read_that_fails_fails_for_nobody_else() {
    let world = world().await;
    let agency = world.agency().await.unwrap();
    let id = agency.request().await.unwrap().id;
    let counted = Counted::new(world.store(), 0);
    counted.failures.store(2, SeqCst);
    let loader = Loader::<Request>::new(counted.clone(), agency.scope());

    let reads = join_all((0..4).map(|_| loader.find(id.clone())));
    let (found, ()) = join(reads, async { counted.allowed.add_permits(10) }).await;

    // The first batch had one caller. The second had its reader and two more callers, who read again.
    let failed: Vec<_> = found.iter().map(|found| matches!(found, Err(Error::Contention))).collect();
    assert_eq!(failed, [true, true, false, false]);
    assert!(found.into_iter().skip(2).all(|found| found.unwrap().unwrap().id == id));
}
