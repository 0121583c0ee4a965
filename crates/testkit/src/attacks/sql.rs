//! Attacks by SQL in the tenant role, without the tenant filter: row-level security alone must hold.
//!
//! A session that can send any SQL can also leave the role if its login may assume another one. No unit therefore takes
//! SQL. This layer protects against a wrong query of ours, or of yours.

mod inside;
mod objects;
mod reach;
mod statements;
mod tables;

use super::fixture::Fixture;
use super::log::Log;
use super::raw::Raw;
use crate::Result;

pub(super) async fn attack(fixture: &Fixture<'_>, trusted: &[String], log: &mut Log) -> Result<()> {
    let mut raw = Raw::connect(fixture.world().url()).await?;
    let sides = Sides { victim: fixture.victim.tenant().to_owned(), attacker: fixture.attacker.tenant().to_owned() };
    for table in super::catalog::tenant_tables(&mut raw).await? {
        log.note(format!("{table}: only own rows are visible"), tables::read(&mut raw, &table, &sides).await);
        log.note(
            format!("{table}: no foreign row is changed, moved or deleted"),
            tables::write(&mut raw, &table, &sides).await,
        );
        log.note(
            format!("{table}: no row is inserted for, or moved to, another tenant"),
            tables::give(&mut raw, &table, &sides).await,
        );
        log.note(
            format!("{table}: the tenant role cannot disable the policies"),
            inside::attack(&mut raw, &table, &sides).await,
        );
    }
    objects::attack(&mut raw, &sides, trusted, log).await;
    reach::attack(&mut raw, trusted, log).await;
    statements::attack(&mut raw, &sides, log).await
}

/// The tenant keys of both sides.
struct Sides {
    victim: String,
    attacker: String,
}
