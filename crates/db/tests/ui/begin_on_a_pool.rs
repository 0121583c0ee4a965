//! A pool sends no statements.

use rylie_db::repositories::Pool;

async fn begin(pool: &Pool) {
    pool.begin().await;
}

fn main() {}
