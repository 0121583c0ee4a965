//! Requests and tasks that refer to a user of another tenant. Users move between agencies, and their orders stay.

use super::{Difference, begin_to_see_all};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::step::Target;

/// The references that can cross tenants. A task belongs to its request's tenant.
const LINKS: [(&str, &str); 2] = [
    (
        "Request.userId",
        "SELECT count(*)::text FROM \"Request\" r JOIN \"User\" u ON u.id = r.\"userId\" \
         WHERE coalesce(r.\"agencyId\", 'user:' || r.\"userId\") <> coalesce(u.\"agencyId\", 'user:' || u.id)",
    ),
    (
        "Task.userId",
        "SELECT count(*)::text FROM \"Task\" t JOIN \"Request\" r ON r.id = t.\"requestId\" JOIN \"User\" u ON u.id = t.\"userId\" \
         WHERE coalesce(r.\"agencyId\", 'user:' || r.\"userId\") <> coalesce(u.\"agencyId\", 'user:' || u.id)",
    ),
];

/// Counts the rows for each kind of reference. They do not prevent an adoption.
pub(super) async fn across_tenants(connection: &mut Connection) -> Result<Vec<Difference>> {
    begin_to_see_all(connection).await?;
    let found = count(connection).await;
    let failed = Error::doing("looking for rows that name a user of another tenant");
    connection.execute("ROLLBACK").await.map_err(&failed)?;
    found.map_err(failed)
}

async fn count(connection: &mut Connection) -> sqlx::Result<Vec<Difference>> {
    let mut found = Vec::new();
    for (object, sql) in LINKS {
        let rows = connection.value(sql).await?.unwrap_or_default();
        if rows != "0" {
            found.push(Difference {
                object: object.to_owned(),
                expected: "a user of the row's own tenant".to_owned(),
                found: format!("{rows} rows that name a user of another tenant; they stay as they are"),
                blocking: false,
            });
        }
    }
    Ok(found)
}
