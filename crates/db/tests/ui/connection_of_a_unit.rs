//! A unit is not a connection and does not expose one.
use rylie_db::prelude::*;
use sea_orm::ConnectionTrait;

async fn read(unit: &dyn TenantUnit) {
    let _done = unit.execute_unprepared("TRUNCATE \"User\"").await;
    let _transaction = unit.transaction();
}

fn main() {}
