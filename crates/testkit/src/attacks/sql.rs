//! Attacks by SQL in the tenant's role, which know nothing of the fence: row-level security alone holds.
//!
//! Whoever can send any SQL can also leave the role, as long as the login may take another. That is why no unit takes SQL; the
//! wall stands against a query of ours, or of yours, that is wrong.

mod inside;
mod objects;
mod reach;
mod statements;
mod tables;

use super::log::Log;
use super::raw::Raw;
use super::stage::Stage;
use crate::Result;

pub(super) async fn attack(stage: &Stage<'_>, trusted: &[String], log: &mut Log) -> Result<()> {
    let mut raw = Raw::connect(stage.world().url()).await?;
    let sides = Sides { victim: stage.victim.tenant().to_owned(), attacker: stage.attacker.tenant().to_owned() };
    for table in super::catalog::tenant_tables(&mut raw).await? {
        log.note(format!("{table}: the own rows are seen and no others"), tables::read(&mut raw, &table, &sides).await);
        log.note(
            format!("{table}: no other row is changed, taken or removed"),
            tables::write(&mut raw, &table, &sides).await,
        );
        log.note(
            format!("{table}: no row is made for, or given to, another"),
            tables::give(&mut raw, &table, &sides).await,
        );
        log.note(
            format!("{table}: the wall is not switched off from inside"),
            inside::attack(&mut raw, &table, &sides).await,
        );
    }
    objects::attack(&mut raw, &sides, trusted, log).await;
    reach::attack(&mut raw, trusted, log).await;
    statements::attack(&mut raw, &sides, log).await
}

/// The tenants' keys.
struct Sides {
    victim: String,
    attacker: String,
}
