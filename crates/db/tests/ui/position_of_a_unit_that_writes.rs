//! A log position is an option of read-only units alone.
use rylie_db::prelude::*;

async fn open(store: &dyn Store, scope: &TenantScope, position: LogPosition) {
    let _unit = store.tenant(scope).after(position).await;
}

fn main() {}
