//! A tenant unit needs a scope.
use rylie_db::prelude::*;

async fn open(store: &dyn Store, tenant: &TenantId) {
    let _unit = store.tenant(tenant).await;
}

fn main() {}
