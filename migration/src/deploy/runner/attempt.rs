//! One attempt at a unit of work, observed while it waits for locks.

use super::work::{Outcome, Work, do_work};
use super::{Run, batch};
use crate::blockers::{self, Blocker};
use crate::connection::{LOCK_TIMEOUT, LOOK};
use crate::options::{DeployProgress, Listener};
use crate::step::Step;

impl Run<'_> {
    /// Makes one attempt. While it waits, looks for the sessions that block it, and reports them if they changed.
    pub(super) async fn attempt(
        &mut self,
        work: &Work<'_>,
        number: usize,
        again: bool,
        blockers: &mut Vec<Blocker>,
        progress: Listener<'_>,
    ) -> Outcome {
        let patient =
            matches!(work, Work::Step(Step::Patient(_) | Step::ConcurrentIndex { .. } | Step::OnceNonTransactional(_)));
        let limit = if patient { self.options.patience } else { self.options.lock_timeout };
        let mut look = match work {
            Work::Batch(_) if again => batch::ROW_LOCK / 2,
            _ => self.options.lock_timeout / 2,
        };
        let observed = self.connection.observed();
        let migration = self.migration.name();
        let outcome = {
            let doing = do_work(self.connection, work, number, limit);
            tokio::pin!(doing);
            loop {
                let Some((options, pid)) = &observed else { break doing.await };
                let watching = async {
                    tokio::time::sleep(look).await;
                    blockers::of(options, *pid).await
                };
                tokio::select! {
                    biased;
                    outcome = &mut doing => break outcome,
                    seen = watching => {
                        let same = seen.iter().map(|session| session.pid).eq(blockers.iter().map(|session| session.pid));
                        if !seen.is_empty() && !same {
                            progress(DeployProgress::Blocked { migration, step: number + 1, blockers: &seen });
                        }
                        look = (look * 2).min(LOOK);
                        *blockers = if seen.is_empty() { std::mem::take(blockers) } else { seen };
                    }
                }
            }
        };
        if patient {
            // If this fails, so does the next statement.
            drop(self.connection.set_lock_timeout(LOCK_TIMEOUT).await);
        }
        outcome
    }
}
