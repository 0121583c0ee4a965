//! As whom a connection works.

use super::Connection;
use crate::error::{Error, Result};
use crate::migrations::base_tables_list;
use crate::step::Target;

/// Whether a role can be taken: from PostgreSQL 16 on a membership says so by itself, before every one did.
pub(crate) const TAKE: &str =
    "CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END";

impl Connection {
    /// Works as the owner of the base's tables, where we may and are not: what we make should be hers too, so that she can
    /// alter it later, and code that she or others put into the schema does not run with a superuser's rights. A no-op on SQLite, on an
    /// empty database and where the tables have several owners.
    pub(crate) async fn become_owner(&mut self) -> Result<()> {
        const DOING: &str = "finding out who owns the tables";
        let sql = format!(
            "SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.rolname <> current_user AND pg_has_role(current_user, r.oid, {TAKE}) \
             AND has_schema_privilege(r.oid, 'public', 'CREATE') AND ARRAY[r.oid] = ARRAY(SELECT DISTINCT c.relowner FROM pg_class c \
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname IN ({}))",
            base_tables_list()
        );
        if let Some(owner) = self.ask_postgres(&sql, DOING).await? {
            self.execute(&format!("SET ROLE {owner}")).await.map_err(Error::doing(DOING))?;
        }
        Ok(())
    }
}
