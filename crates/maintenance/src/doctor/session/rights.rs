//! The rights of the login that a run works with.

use sqlx::{PgConnection, Row};

use crate::doctor::check::Need;

/// The rights of the login.
pub(crate) struct Rights {
    pub(crate) version: i32,
    pub(crate) statistics: bool,
    pub(crate) in_recovery: bool,
    /// Whether the login sees the rows of every tenant by itself.
    pub(crate) sees_all: bool,
    /// Whether the login may assume the role of platform units, which sees them.
    pub(crate) may_be_platform: bool,
    pub(crate) extensions: Vec<String>,
    pub(crate) tables: Vec<String>,
}

/// The policy's expression is compared as the catalog stores it: to print it would wait for a lock on its table.
const SQL: &str = "SELECT current_setting('server_version_num')::int, pg_has_role('pg_read_all_stats', 'USAGE'), pg_is_in_recovery(), \
     coalesce((SELECT NOT row_security_active(c.oid) OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive \
         AND p.polcmd IN ('*', 'r') AND p.polqual::text ~ '^\\{CONST :consttype 16 .* \\[ 1 ' \
         AND EXISTS (SELECT FROM unnest(p.polroles) r(oid) WHERE r.oid <> 0 AND pg_has_role(r.oid, 'USAGE'))) \
       FROM pg_class c WHERE c.relname = 'User' AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')), false), \
     EXISTS (SELECT FROM pg_roles WHERE rolname = 'rylie_platform' AND has_schema_privilege(oid, 'public', 'USAGE') AND pg_has_role(oid, \
         CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)), \
     coalesce((SELECT string_agg(extname, ',') FROM pg_extension), ''), \
     coalesce((SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')), ''), \
     current_setting('server_version')";

impl Rights {
    pub(crate) async fn read(connection: &mut PgConnection) -> sqlx::Result<(Self, String)> {
        let row = sqlx::raw_sql(SQL).fetch_one(connection).await?;
        let list = |text: String| text.split(',').map(str::to_owned).collect();
        let rights = Self {
            version: row.try_get(0)?,
            statistics: row.try_get(1)?,
            in_recovery: row.try_get(2)?,
            sees_all: row.try_get(3)?,
            may_be_platform: row.try_get(4)?,
            extensions: list(row.try_get(5)?),
            tables: list(row.try_get(6)?),
        };
        let version: String = row.try_get(7)?;
        Ok((rights, format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default())))
    }

    /// Returns why a requirement is not met.
    pub(crate) fn lacks(&self, need: Need) -> Option<String> {
        let missing = |lacks: bool, reason: String| lacks.then_some(reason);
        match need {
            Need::Statistics => missing(
                !self.statistics,
                "this login may not see the sessions of others; `GRANT pg_monitor TO` it".to_owned(),
            ),
            Need::EveryTenant => missing(
                !self.sees_all && !self.may_be_platform,
                "row-level security hides rows of other tenants from this login; use the owner, or a reader of `rylie roles \
                 provision --readonly NAME --cross-tenant`"
                    .to_owned(),
            ),
            Need::Extension(name) => missing(
                !self.extensions.iter().any(|extension| extension == name),
                format!("the extension {name} is not installed in this database"),
            ),
            Need::Table(name) => missing(
                !self.tables.iter().any(|table| table == name),
                format!("there is no table {name}; run `rylie migrate deploy`"),
            ),
            Need::Primary => missing(self.in_recovery, "this server is a replica; ask the primary".to_owned()),
        }
    }

    /// Returns the statement that lets the session see every tenant's rows.
    pub(crate) fn role_for(&self, needs: &[Need]) -> &'static str {
        if needs.contains(&Need::EveryTenant) && !self.sees_all { "SET LOCAL ROLE rylie_platform;" } else { "" }
    }
}
