//! Calls that end at a place of their progress, as those of a killed process do.

use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe};

use futures_util::FutureExt;
use rylie_migration::{AdoptOptions, DeployProgress};

use super::sql::migrations;

/// Adopts until its progress is `place`.
pub(crate) async fn adopt_until(url: &str, place: impl FnMut(&DeployProgress<'_>) -> bool + Send) {
    let mut migrations = migrations(url).await;
    let mut listener = ending_at(place);
    until(migrations.adopt(AdoptOptions::default(), &mut listener)).await;
}

/// Takes an adoption back until its progress is `place`.
pub(crate) async fn undo_until(url: &str, place: impl FnMut(&DeployProgress<'_>) -> bool + Send) {
    let mut migrations = migrations(url).await;
    let mut listener = ending_at(place);
    until(migrations.undo_adoption(&mut listener)).await;
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

async fn until<T: Debug>(call: impl Future<Output = T>) {
    match AssertUnwindSafe(call).catch_unwind().await {
        Err(reached) if reached.is::<Reached>() => {}
        Err(failed) => panic::resume_unwind(failed),
        Ok(done) => panic!("it ended before: {done:?}"),
    }
}
