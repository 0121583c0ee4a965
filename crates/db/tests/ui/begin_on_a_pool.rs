//! A pool sends nothing by itself.

use rylie_db::repositories::Pool;

async fn begin(pool: &Pool) {
    pool.begin().await;
}

fn main() {}
