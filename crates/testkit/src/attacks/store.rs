//! Attacks through units: every operation that a unit offers.

mod by_id;
mod identities;
mod lists;
mod mixed;
mod oracles;
mod roles;

use super::fixture::Fixture;
use super::log::{Log, Seen};
use crate::Result;

pub(super) async fn attack(fixture: &Fixture<'_>, log: &mut Log) -> Result<()> {
    let before = fixture.victim.picture().await?;
    by_id::attack(fixture, log).await;
    mixed::attack(fixture, log).await;
    lists::attack(fixture, log).await;
    log.note("no attack from another tenant changes a row", unchanged(fixture, &before).await);
    oracles::attack(fixture, log).await;
    roles::attack(fixture, log).await;
    identities::attack(fixture, log).await;
    Ok(())
}

/// Runs only the attacks that read.
pub(super) async fn attack_reads(fixture: &Fixture<'_>, log: &mut Log) {
    by_id::attack(fixture, log).await;
    lists::attack(fixture, log).await;
}

async fn unchanged(fixture: &Fixture<'_>, before: &[String]) -> Result<Seen> {
    let mut seen = Seen::default();
    for (was, is) in before.iter().zip(fixture.victim.picture().await?) {
        seen.same("the victim's rows", &&is, &was);
    }
    Ok(seen)
}
