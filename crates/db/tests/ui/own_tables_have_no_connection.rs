//! A service's repository has no way to the connection of its unit.

use rylie_db::own::OwnTables;

async fn escape(tables: &OwnTables) {
    tables.across_tenants();
    tables.unit.connection();
}

fn main() {}
