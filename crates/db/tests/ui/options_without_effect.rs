//! A unit has only the options of its kind.
use rylie_db::prelude::*;

async fn open(store: &dyn Store, grant: Grant) {
    let _unit = store.platform(grant).read_only().autocommit().await;
}

fn main() {}
