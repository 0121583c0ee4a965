//! A repository asks its unit for rows, and does not reach the connection.

use rylie_tenancy::Tx;

async fn send(unit: &Tx) {
    unit.connection().await;
}

fn main() {}
