//! A savepoint ends before its unit.
use rylie_db::prelude::*;

async fn early(unit: Box<dyn TenantUnit>) {
    let part = unit.savepoint().await;
    let _done = unit.commit().await;
    drop(part);
}

fn main() {}
