//! A part of a unit ends before the unit does.
use rylie_db::prelude::*;

async fn early(unit: Box<dyn TenantUnit>) {
    let part = unit.savepoint().await;
    let _done = unit.commit().await;
    drop(part);
}

fn main() {}
