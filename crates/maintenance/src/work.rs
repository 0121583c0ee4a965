//! The units of jobs. A unit knows its job's action and begins its errors with it.

use std::ops::Deref;
use std::panic::Location;
use std::time::Duration;

use rylie_repositories::{
    CallSite, Grant, OperationsUnit, PlatformUnit, Result as DataResult, Store, StoreExt, Unit, UnitOptions,
};

use crate::error::{Error, Result};

/// The longest pause inside a job's transaction. Its rows are locked until then. A batch needs no pause, but a slow network
/// makes some.
const IDLE: Duration = Duration::from_secs(30);

/// A job's action across tenants, and its reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    /// The job's name in the audit log.
    pub(crate) job: &'static str,
    /// The reason to read or change rows of all tenants. Recorded.
    pub(crate) reason: &'static str,
    /// The job's action, with which its errors begin.
    pub(crate) doing: &'static str,
}

impl Work {
    /// Opens a platform unit that may write.
    #[track_caller]
    pub(crate) fn open(self, store: &dyn Store) -> impl Future<Output = Result<JobUnit<dyn PlatformUnit>>> {
        let options = UnitOptions { idle_timeout: Some(IDLE), ..UnitOptions::default() };
        self.open_with(store, options, Location::caller())
    }

    /// As [`open`](Self::open), with a limit for each statement.
    #[track_caller]
    pub(crate) fn open_within(
        self,
        store: &dyn Store,
        limit: Duration,
    ) -> impl Future<Output = Result<JobUnit<dyn PlatformUnit>>> {
        let options =
            UnitOptions { idle_timeout: Some(IDLE), statement_timeout: Some(limit), ..UnitOptions::default() };
        self.open_with(store, options, Location::caller())
    }

    /// As [`open`](Self::open), for work that reads a file or another database between its statements. The pool limits its
    /// pauses.
    #[track_caller]
    pub(crate) fn open_with_pauses(self, store: &dyn Store) -> impl Future<Output = Result<JobUnit<dyn PlatformUnit>>> {
        self.open_with(store, UnitOptions::default(), Location::caller())
    }

    /// Opens a read-only platform unit on the primary.
    #[track_caller]
    pub(crate) fn read(self, store: &dyn Store) -> impl Future<Output = Result<JobUnit<dyn PlatformUnit>>> {
        self.open_with(store, UnitOptions::read_only().on_primary(), Location::caller())
    }

    async fn open_with(
        self,
        store: &dyn Store,
        options: UnitOptions,
        opened_at: CallSite,
    ) -> Result<JobUnit<dyn PlatformUnit>> {
        let grant = Grant::job(self.job, self.reason).map_err(Error::doing(self.doing))?;
        let unit = store.open_platform(grant, options, opened_at).await.map_err(Error::doing(self.doing))?;
        Ok(JobUnit { unit, doing: self.doing })
    }
}

/// Opens an operations unit. Its errors begin with `doing`.
#[track_caller]
pub(crate) fn operations<'s>(
    store: &'s dyn Store,
    doing: &'static str,
) -> impl Future<Output = Result<JobUnit<dyn OperationsUnit>>> + use<'s> {
    let opening = store.operations();
    async move { Ok(JobUnit { unit: opening.await.map_err(Error::doing(doing))?, doing }) }
}

/// A unit of a job. Dropping it without [`commit`](Self::commit) rolls it back.
pub(crate) struct JobUnit<U: ?Sized> {
    unit: Box<U>,
    doing: &'static str,
}

impl<U: ?Sized> JobUnit<U> {
    /// Returns the value of a step, or its error with the job's action.
    pub(crate) fn done<T>(&self, step: DataResult<T>) -> Result<T> {
        step.map_err(Error::doing(self.doing))
    }
}

impl<U: Unit + ?Sized> JobUnit<U> {
    /// Commits if the last step succeeded, and returns its value.
    pub(crate) async fn commit<T>(self, last: DataResult<T>) -> Result<T> {
        let value = self.done(last)?;
        self.unit.commit().await.map_err(Error::doing(self.doing))?;
        Ok(value)
    }
}

impl<U: ?Sized> Deref for JobUnit<U> {
    type Target = U;

    fn deref(&self) -> &U {
        &self.unit
    }
}
