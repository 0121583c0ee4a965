//! A repository reads rows through its unit and cannot reach the connection.

use rylie_tenancy::Tx;

async fn send(unit: &Tx) {
    unit.connection().await;
}

fn main() {}
