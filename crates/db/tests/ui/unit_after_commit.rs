//! A unit ends with its commit.
use rylie_db::prelude::*;

async fn late(unit: Box<dyn TenantUnit>, id: RequestId) {
    let _done = unit.commit().await;
    let _request = unit.requests().find(&id).await;
}

fn main() {}
