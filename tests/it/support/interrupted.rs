//! Calls that end at a place of their progress, as those of a killed process do.

use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe};

use futures_util::FutureExt;
use rylie_migration::{AdoptOptions, DeployProgress};

use super::sql::{Sql, migrations};

/// Adopts until its progress is `place`.
pub(crate) async fn adopt_until(url: &str, place: impl FnMut(&DeployProgress<'_>) -> bool + Send) {
    let mut migrations = migrations(url).await;
    let mut listener = ending_at(place);
    until(Box::pin(migrations.adopt(AdoptOptions::default(), &mut listener))).await;
}

/// Takes an adoption back until its progress is `place`.
pub(crate) async fn undo_until(url: &str, place: impl FnMut(&DeployProgress<'_>) -> bool + Send) {
    let mut migrations = migrations(url).await;
    let mut listener = ending_at(place);
    until(Box::pin(migrations.undo_adoption(&mut listener))).await;
}

/// Adopts in calls that each end after one more step. Returns their number.
pub(crate) async fn adopt_step_by_step(url: &str) -> usize {
    let mut steps = Steps::of(url).await;
    loop {
        let mut migrations = migrations(url).await;
        if !is_cut(Box::pin(migrations.adopt(AdoptOptions::default(), &mut ending_at(steps.place())))).await {
            return steps.calls;
        }
        steps.count().await;
    }
}

/// Takes an adoption back in calls that each end after one more step. Returns their number.
pub(crate) async fn undo_step_by_step(url: &str) -> usize {
    let mut steps = Steps::of(url).await;
    loop {
        let mut migrations = migrations(url).await;
        if !is_cut(Box::pin(migrations.undo_adoption(&mut ending_at(steps.place())))).await {
            return steps.calls;
        }
        steps.count().await;
    }
}

/// The place at which the next call ends.
struct Steps {
    sql: Sql,
    calls: usize,
    /// The recorded progress after the last call.
    recorded: Vec<String>,
    /// The steps that the next call may do: more than one if the last call did none that is recorded.
    allowed: usize,
}

impl Steps {
    async fn of(url: &str) -> Self {
        Self { sql: Sql::connect(url).await, calls: 0, recorded: Vec::new(), allowed: 1 }
    }

    /// Returns whether the allowed steps are done.
    fn place(&self) -> impl FnMut(&DeployProgress<'_>) -> bool + Send + use<> {
        let (allowed, mut done, mut begun) = (self.allowed, 0, false);
        move |progress| {
            match progress {
                DeployProgress::Started { .. } => begun = false,
                DeployProgress::Step { .. } => {
                    done += usize::from(begun);
                    begun = true;
                }
                DeployProgress::Finished { .. } => done += 1,
                _ => {}
            }
            done == allowed
        }
    }

    async fn count(&mut self) {
        let sql = "SELECT name || direction || step || (finished_at IS NULL) FROM rylie_migrations ORDER BY name";
        let recorded = self.sql.all(sql).await;
        self.allowed = if recorded == self.recorded { self.allowed + 1 } else { 1 };
        self.recorded = recorded;
        self.calls += 1;
    }
}

/// Returns whether a migration begins.
pub(crate) fn begins(name: &'static str) -> impl Fn(&DeployProgress<'_>) -> bool + Send {
    move |progress| matches!(progress, DeployProgress::Started { migration, .. } if *migration == name)
}

/// Returns whether this is the step of this number, of all that are reported.
pub(crate) fn step(number: usize) -> impl FnMut(&DeployProgress<'_>) -> bool + Send {
    let mut count = 0;
    move |progress| {
        count += usize::from(matches!(progress, DeployProgress::Step { .. }));
        count == number
    }
}

/// The payload of the unwinding that ends a call.
struct Reached;

/// Unwinds at the place. A call that was only dropped there could run some more statements before.
fn ending_at(mut place: impl FnMut(&DeployProgress<'_>) -> bool + Send) -> impl FnMut(DeployProgress<'_>) + Send {
    move |progress| {
        if place(&progress) {
            panic::resume_unwind(Box::new(Reached));
        }
    }
}

async fn until<T: Debug>(call: impl Future<Output = rylie_migration::Result<T>>) {
    assert!(is_cut(call).await, "it ended before");
}

/// Returns whether the call ended at the place. Fails if it failed.
async fn is_cut<T: Debug>(call: impl Future<Output = rylie_migration::Result<T>>) -> bool {
    match AssertUnwindSafe(call).catch_unwind().await {
        Err(reached) if reached.is::<Reached>() => true,
        Err(failed) => panic::resume_unwind(failed),
        Ok(done) => done.map(|_| false).unwrap(),
    }
}
