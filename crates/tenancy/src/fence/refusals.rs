//! Refused attempts, recorded in a transaction of their own: the unit in which one was made ends without its caller's
//! changes as a rule.
//!
//! Recorded when the unit has ended, because on SQLite it holds the only right to write until then. A process that is
//! killed, or a runtime that is shut down, in between loses the record. What is not within reach is `NotFound` and is not
//! recorded: it cannot be told from what does not exist.

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rylie_audit::{Action, Event};
use rylie_connection::{UnitOptions, begin};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::fence::{Fence, Surroundings, Tx, Who};

/// What was refused in a unit, each attempt once: whoever tries again and again does not fill the log.
#[derive(Default)]
pub(super) struct Refusals(Mutex<BTreeSet<&'static str>>);

impl Refusals {
    pub(super) fn note(&self, action: &'static str) {
        self.noted().insert(action);
    }

    /// Records them in a task; `None` if there are none, or there is nobody to run it.
    pub(super) fn record(&self, fence: &Fence, who: &Who, surroundings: &Surroundings) -> Option<JoinHandle<()>> {
        let refused = std::mem::take(&mut *self.noted());
        if refused.is_empty() {
            return None;
        }
        let Ok(runtime) = Handle::try_current() else {
            tracing::error!(
                actor = who.actor.to_text(),
                ?refused,
                "refused attempts could not be recorded: no runtime"
            );
            return None;
        };
        let (fence, who, surroundings) = (fence.clone(), who.clone(), surroundings.clone());
        Some(runtime.spawn(async move {
            let actor = who.actor.to_text();
            if let Err(error) = record(&refused, fence, who, surroundings).await {
                tracing::error!(actor, ?refused, %error, "refused attempts could not be recorded");
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
    // Boxed: this commit could in turn have refusals to record, as far as the compiler knows.
    Box::pin(tx.commit()).await
}
