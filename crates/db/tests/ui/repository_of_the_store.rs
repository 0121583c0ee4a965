//! A store opens units and has no repositories.
use rylie_db::prelude::*;

async fn read(store: &dyn Store) {
    let _requests = store.requests();
}

fn main() {}
