//! One attempt at a unit of work, observed while it waits for locks.

use rylie_driver::Blocker;

use super::Run;
use super::batch::ROW_LOCK;
use super::work::{Outcome, Work, do_work};
use crate::connection::LOCK_TIMEOUT;
use crate::step::Step;

impl Run<'_> {
    /// Makes one attempt. Also returns the sessions that blocked it.
    pub(super) async fn attempt(&mut self, work: &Work<'_>, number: usize, again: bool) -> (Outcome, Vec<Blocker>) {
        let patient =
            matches!(work, Work::Step(Step::Patient(_) | Step::ConcurrentIndex { .. } | Step::OnceNonTransactional(_)));
        let limit = if patient { self.options.patience } else { self.options.lock_timeout };
        // A first attempt mostly succeeds. Later ones look before their own, short wait ends.
        let wait = if matches!(work, Work::Batch(_)) { limit.min(ROW_LOCK) } else { limit };
        self.connection.look_for_blockers_after(again.then_some(wait / 2)).await;
        let outcome = do_work(self.connection, work, number, limit).await;
        let blockers = self.connection.take_blockers();
        self.connection.look_for_blockers_after(None).await;
        if patient {
            // If this fails, so does the next statement.
            drop(self.connection.set_lock_timeout(LOCK_TIMEOUT).await);
        }
        (outcome, blockers)
    }
}
