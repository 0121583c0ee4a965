//! The transaction stays inside: a unit is no connection, and gives none away.
use rylie_db::prelude::*;
use sea_orm::ConnectionTrait;

async fn read(unit: &dyn TenantUnit) {
    let _done = unit.execute_unprepared("TRUNCATE \"User\"").await;
    let _transaction = unit.transaction();
}

fn main() {}
