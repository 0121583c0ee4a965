//! Attacks through units: every operation that a unit offers.

mod by_id;
mod identities;
mod lists;
mod mixed;
mod oracles;
mod roles;

use super::log::{Log, Seen};
use super::stage::Stage;
use crate::Result;

pub(super) async fn attack(stage: &Stage<'_>, log: &mut Log) -> Result<()> {
    let before = stage.victim.picture().await?;
    by_id::attack(stage, log).await;
    mixed::attack(stage, log).await;
    lists::attack(stage, log).await;
    log.note("no attack from another tenant changes a row", unchanged(stage, &before).await);
    oracles::attack(stage, log).await;
    roles::attack(stage, log).await;
    identities::attack(stage, log).await;
    Ok(())
}

/// Runs only the attacks that read.
pub(super) async fn attack_reads(stage: &Stage<'_>, log: &mut Log) {
    by_id::attack(stage, log).await;
    lists::attack(stage, log).await;
}

async fn unchanged(stage: &Stage<'_>, before: &[String]) -> Result<Seen> {
    let mut seen = Seen::default();
    for (was, is) in before.iter().zip(stage.victim.picture().await?) {
        seen.same("the victim's rows", &&is, &was);
    }
    Ok(seen)
}
