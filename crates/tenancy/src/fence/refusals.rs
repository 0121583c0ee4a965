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
use crate::fence::{Fence, Surroundings, Tx, Who};

/// The refused actions of a unit, each once, so that repeated attempts do not fill the log.
#[derive(Default)]
pub(super) struct Refusals(Mutex<BTreeSet<&'static str>>);

impl Refusals {
    pub(super) fn note(&self, action: &'static str) {
        self.noted().insert(action);
    }

    /// Records the refusals in a task. Returns `None` if there are none, or no runtime.
    pub(super) fn record(&self, fence: &Fence, who: &Who, surroundings: &Surroundings) -> Option<JoinHandle<()>> {
        let refused = std::mem::take(&mut *self.noted());
        if refused.is_empty() {
            return None;
        }
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(
                actor = who.actor.to_text(),
                ?refused,
                "cannot record refused attempts: there is no runtime"
            );
            return None;
        };
        let (fence, who, surroundings) = (fence.clone(), who.clone(), surroundings.clone());
        Some(runtime.spawn(async move {
            let actor = who.actor.to_text();
            if let Err(error) = record(&refused, fence, who, surroundings).await {
                tracing::error!(actor, ?refused, %error, "cannot record refused attempts");
            }
        }))
    }

    fn noted(&self) -> MutexGuard<'_, BTreeSet<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn record(refused: &BTreeSet<&'static str>, fence: Fence, who: Who, surroundings: Surroundings) -> Result<()> {
    let transaction = begin(&surroundings.pool, &fence.door(), UnitOptions::default(), Location::caller()).await?;
    let tx = Tx::new(transaction, fence.clone(), who, surroundings);
    for action in refused {
        tx.record(Event::new(Action::AccessRefused).with("attempted", action)).await?;
    }
    // Boxed: to the compiler the recursion could be infinite, because a commit records refusals.
    Box::pin(tx.commit()).await
}
