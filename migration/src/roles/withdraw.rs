//! Takes back the rights of provisioned logins.

use super::statements::without_reader;
use super::{provisioned, suspend_defaults};
use crate::adopt::Catalog;
use crate::connection::Connection;
use crate::error::Result;

/// Revokes the readers' rights and drops their policies, since row-level security is about to be removed: without the
/// policies a reader of one tenant would see every tenant. Revokes the default rights as well.
pub(crate) async fn withdraw(connection: &mut Connection, own: &Catalog) -> Result<()> {
    const READERS: &str = "SELECT DISTINCT r.rolname::text FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles) \
         WHERE p.polname LIKE 'rylie\\_reader\\_%'";
    let mut readers = connection.list_postgres(READERS, "looking for the readers' policies").await?;
    let known = provisioned(connection).await?;
    readers.extend(known.iter().filter(|login| login.kind == "readonly").map(|login| login.login.clone()));
    readers.sort_unstable();
    readers.dedup();
    if known.iter().any(|login| login.kind != "readonly") {
        suspend_defaults(connection).await?;
    }
    if readers.is_empty() {
        return Ok(());
    }
    let live = Catalog::read(connection).await?;
    let statements: Vec<String> = readers.iter().flat_map(|login| without_reader(&live, own, login)).collect();
    let sql = format!("BEGIN; SET LOCAL lock_timeout = '5s'; {}; COMMIT", statements.join("; "));
    connection.at_once(&sql, "revoking the readers' rights; run the same command again").await
}
