//! Records refused attempts in a separate transaction, because the unit itself is usually rolled back.
//!
//! They are recorded after the unit has ended, because on SQLite the unit holds the write lock until then. If the
//! process is killed or the runtime shut down in between, the record is lost. Rows out of reach give `NotFound` and are
//! not recorded: they cannot be distinguished from missing rows.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rylie_audit::{Action, Event};
use rylie_connection::{UnitOptions, begin};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::filter::{Caller, Tx, UnitContext, UnitKind};

/// The refused actions of a unit, each once, so that repeated attempts do not fill the log.
#[derive(Default)]
pub(super) struct Refusals(Mutex<BTreeSet<&'static str>>);

impl Refusals {
    pub(super) fn note(&self, action: &'static str) {
        self.noted().insert(action);
    }

    /// Records the refusals in a task. Returns `None` if there are none, or no runtime.
    pub(super) fn record(
        &self,
        kind: &UnitKind,
        caller: &Caller,
        unit_context: &UnitContext,
    ) -> Option<JoinHandle<()>> {
        let refused = std::mem::take(&mut *self.noted());
        if refused.is_empty() {
            return None;
        }
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(
                actor = caller.actor.to_text(),
                ?refused,
                "cannot record refused attempts: there is no runtime"
            );
            return None;
        };
        let (kind, caller, unit_context) = (kind.clone(), caller.clone(), unit_context.clone());
        Some(runtime.spawn(async move {
            let actor = caller.actor.to_text();
            if let Err(error) = record(&refused, kind, caller, unit_context).await {
                tracing::error!(actor, ?refused, %error, "cannot record refused attempts");
            }
        }))
    }

    fn noted(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn record(
    refused: &BTreeSet<&'static str>,
    kind: UnitKind,
    caller: Caller,
    unit_context: UnitContext,
) -> Result<()> {
    let transaction = begin(&unit_context.pool, &kind.db_role(), UnitOptions::default(), Location::caller()).await?;
    let tx = Tx::new(transaction, kind.clone(), caller, unit_context);
    for action in refused {
        tx.record(Event::new(Action::AccessRefused).with("attempted", action)).await?;
    }
    // Boxed: to the compiler the recursion could be infinite, because a commit records refusals.
    Box::pin(tx.commit()).await
}
