//! Inserts many rows by SQL, without the store.

use rylie_testkit::{TestAgency, World};
use sea_orm::{ConnectionTrait, DatabaseConnection};

pub(crate) async fn beside(world: &World) -> DatabaseConnection {
    sea_orm::Database::connect(world.url()).await.unwrap()
}

pub(crate) fn is_sqlite(world: &World) -> bool {
    world.url().starts_with("sqlite")
}

/// Returns SQL for a series of numbers `n`, and for the text of a time this many seconds after the beginning of 2025.
fn series(world: &World, from: u64, to: u64, seconds: &str) -> (String, String) {
    if is_sqlite(world) {
        let numbers = format!(
            "(WITH RECURSIVE s(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM s WHERE n < {to}) SELECT n FROM s)"
        );
        (numbers, format!("strftime('%Y-%m-%d %H:%M:%S', 1735689600 + ({seconds}), 'unixepoch')"))
    } else {
        let numbers = format!("generate_series({from}::bigint, {to}::bigint) s(n)");
        (numbers, format!("timestamp '2025-01-01' + ({seconds}) * interval '1 second'"))
    }
}

fn id(world: &World) -> &'static str {
    if is_sqlite(world) { "printf('r-%07d', n)" } else { "'r-' || lpad(n::text, 7, '0')" }
}

/// Adds requests of the administrator with the ids `r-0000001` and so on; `seconds` is SQL over `n`.
pub(crate) async fn add_requests(world: &World, agency: &TestAgency<'_>, from: u64, to: u64, seconds: &str) {
    let ((numbers, at), id) = (series(world, from, to, seconds), id(world));
    let (user, tenant) = (&agency.admin.user.id, &agency.agency.id);
    let sql = format!(
        r#"INSERT INTO "Request" (id, "userId", "agencyId", "tenantId", title, description, type, "createdAt", "updatedAt")
           SELECT {id}, '{user}', '{tenant}', '{tenant}', 't', '', 'page', {at}, {at} FROM {numbers}"#
    );
    beside(world).await.execute_unprepared(&sql).await.unwrap();
}

/// Returns the ids of [`add_requests`].
pub(crate) fn ids(from: u64, to: u64) -> Vec<rylie_db::prelude::RequestId> {
    (from..=to).map(|n| format!("r-{n:07}").parse().unwrap()).collect()
}
