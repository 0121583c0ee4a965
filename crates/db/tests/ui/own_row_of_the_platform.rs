//! The platform's tables are written by their repositories only.

use rylie_db::own::{OwnTables, user};

async fn escape(tables: &OwnTables) {
    tables.of::<user::Entity>();
}

fn main() {}
