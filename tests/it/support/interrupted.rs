//! Calls that end at a place of their progress, as those of a killed process do.

use std::fmt::Debug;

use rylie_migration::{AdoptOptions, DeployProgress};
use tokio::sync::Notify;

use super::sql::migrations;

/// Adopts until its progress is `place`.
pub(crate) async fn adopt_until(url: &str, place: impl FnMut(&DeployProgress<'_>) -> bool + Send) {
    let (mut migrations, reached) = (migrations(url).await, Notify::new());
    let mut listener = notifying(&reached, place);
    until(&reached, migrations.adopt(AdoptOptions::default(), &mut listener)).await;
}

/// Takes an adoption back until its progress is `place`.
pub(crate) async fn undo_until(url: &str, place: impl FnMut(&DeployProgress<'_>) -> bool + Send) {
    let (mut migrations, reached) = (migrations(url).await, Notify::new());
    let mut listener = notifying(&reached, place);
    until(&reached, migrations.undo_adoption(&mut listener)).await;
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

fn notifying(
    reached: &Notify,
    mut place: impl FnMut(&DeployProgress<'_>) -> bool + Send,
) -> impl FnMut(DeployProgress<'_>) + Send {
    move |progress| {
        if place(&progress) {
            reached.notify_one();
        }
    }
}

async fn until<T: Debug>(reached: &Notify, call: impl Future<Output = T>) {
    tokio::select! {
        biased;
        () = reached.notified() => {}
        done = call => panic!("it ended before: {done:?}"),
    }
}
