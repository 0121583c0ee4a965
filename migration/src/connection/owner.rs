//! The role that a connection acts as.

use super::Connection;
use crate::error::{Error, Result};
use crate::migrations::base_tables_list;
use crate::step::Target;

/// The privilege to test for assuming a role: `SET` from PostgreSQL 16 on; before, every membership allowed it.
pub(crate) const TAKE: &str =
    "CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END";

impl Connection {
    /// Becomes the owner of the base's tables if the login may.
    ///
    /// New objects then belong to the owner, who can alter them later, and code in the schema does not run with a
    /// superuser's rights. A no-op on SQLite, on an empty database, and if the tables have several owners.
    pub(crate) async fn become_owner(&mut self) -> Result<()> {
        const DOING: &str = "finding the owner of the tables";
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
