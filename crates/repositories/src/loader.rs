//! Concurrent reads by id, collected into one statement.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use rylie_entities::{Request, RequestId, Task, TaskId};
use tokio::sync::oneshot;

use crate::reading::Reading;
use crate::{Error, LogPosition, Result, Store, TenantScope, TenantUnit, UnitOptions};

/// Reads rows of one scope by id. Ids that callers request during a read are collected into the next statement. Use it
/// where many resolvers of one response, or many requests of one tenant, would read rows one by one.
///
/// Each batch is a separate unit [in autocommit](UnitOptions::autocommit()), with both isolation layers. Nothing is
/// cached: each row is read after it was requested, so earlier commits are visible. With replicas, only commits before
/// the position of [`after`](Self::after) are certain to be visible. A single caller pays for its read only. Share it
/// behind an [`Arc`] among the callers of one scope.
///
/// A read may fail with the [errors of every call](Error#errors-of-every-call), and with those of the opening of a
/// unit.
pub struct Loader<E: Loaded> {
    store: Arc<dyn Store>,
    scope: TenantScope,
    options: UnitOptions,
    waiting: Mutex<Vec<Wanted<E>>>,
    /// Its holder reads for all waiting callers.
    turn: tokio::sync::Mutex<()>,
}

struct Wanted<E: Loaded> {
    id: E::Id,
    found: oneshot::Sender<Option<E>>,
}

/// A row that a [`Loader`] reads.
pub trait Loaded: Clone + Send + Sync + 'static {
    /// The id that finds it.
    type Id: Clone + Eq + Hash + Send + Sync;

    /// The table's name.
    const NAME: &'static str;

    /// Returns its id.
    fn id(&self) -> &Self::Id;

    /// Returns those of the rows that exist within the unit's reach.
    fn find_many(unit: &dyn TenantUnit, ids: Vec<Self::Id>) -> Reading<'_, Vec<Self>>;
}

macro_rules! loaded {
    ($($row:ident by $id:ident in $repository:ident),+) => {
        $(impl Loaded for $row {
            type Id = $id;

            const NAME: &'static str = stringify!($row);

            fn id(&self) -> &$id {
                &self.id
            }

            fn find_many(unit: &dyn TenantUnit, ids: Vec<$id>) -> Reading<'_, Vec<Self>> {
                let repository = unit.$repository();
                Box::pin(async move { repository.find_many(&ids).await })
            }
        })+
    };
}
loaded!(Request by RequestId in requests, Task by TaskId in tasks);

impl<E: Loaded> Loader<E> {
    /// Creates a loader of what `scope` reaches.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, scope: TenantScope) -> Self {
        let options = UnitOptions::autocommit();
        Self { store, scope, options, waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Reads everything that was committed before this position, as [`OpenReadOnly::after`](crate::OpenReadOnly::after)
    /// does.
    #[must_use]
    pub fn after(mut self, position: LogPosition) -> Self {
        self.options = self.options.after(position);
        self
    }

    /// Reads the latest data, from the primary.
    #[must_use]
    pub fn on_primary(mut self) -> Self {
        self.options = self.options.on_primary();
        self
    }

    /// Returns the row, or `None` if there is no such row within reach. All concurrent callers share one round trip, or
    /// two where the unit needs a transaction.
    ///
    /// A caller may be dropped at any time: the callers for whom it was reading then read for themselves. So do the
    /// callers of a failed batch; each gets a separate error.
    pub async fn find(&self, id: E::Id) -> Result<Option<E>> {
        let (sender, mut found) = oneshot::channel();
        self.waiting().push(Wanted { id: id.clone(), found: sender });
        tokio::select! {
            biased;
            found = &mut found => if let Ok(found) = found {
                return Ok(found);
            },
            _turn = self.turn.lock() => {
                // The previous holder may have read this row as well.
                if let Ok(found) = found.try_recv() {
                    return Ok(found);
                }
                self.read_for_all().await?;
                if let Ok(found) = found.try_recv() {
                    return Ok(found);
                }
            },
        }
        Ok(self.read(vec![id]).await?.pop())
    }

    /// As [`find`](Self::find), but fails with [`Error::NotFound`].
    pub async fn get(&self, id: E::Id) -> Result<E> {
        self.find(id).await?.ok_or(Error::NotFound { entity: E::NAME })
    }

    async fn read_for_all(&self) -> Result<()> {
        let mut all = std::mem::take(&mut *self.waiting());
        all.retain(|wanted| !wanted.found.is_closed());
        if all.is_empty() {
            return Ok(());
        }
        let rows = self.read(all.iter().map(|wanted| wanted.id.clone()).collect()).await?;
        let rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id().clone(), row)).collect();
        for wanted in all {
            // A caller that was dropped in the meantime needs no result.
            let _ = wanted.found.send(rows.get(&wanted.id).cloned());
        }
        Ok(())
    }

    async fn read(&self, ids: Vec<E::Id>) -> Result<Vec<E>> {
        let unit = self.store.open_tenant(&self.scope, self.options, Location::caller()).await?;
        E::find_many(&*unit, ids).await
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Wanted<E>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
