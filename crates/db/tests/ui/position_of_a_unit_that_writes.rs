//! Only read-only units have the option of a log position.
use rylie_db::prelude::*;

async fn open(store: &dyn Store, scope: &TenantScope, position: LogPosition) {
    let _unit = store.tenant(scope).after(position).await;
}

fn main() {}
