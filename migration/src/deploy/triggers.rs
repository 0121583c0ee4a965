//! Triggers and rules of others that the fill of the tenant key would fire. PostgreSQL.
//!
//! The fill updates every row of the base's tables. A trigger of the old service would take each update for a change of
//! its own: it would send messages, set times, or fail. The fill therefore fires none where the login may prevent that,
//! and the adoption is refused where it may not.

use rylie_driver::literal;
use serde::Deserialize;

use crate::connection::Connection;
use crate::drift::Snapshot;
use crate::error::Result;
use crate::history::equivalents::filled_tables;

/// The setting with which a session fires only the triggers that are declared for it.
const ROLE: &str = "session_replication_role";

const DOING: &str = "looking for triggers of others on tables that are filled";

/// A trigger or a rule of another that an update of the tenant key would fire.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Fired {
    /// The table's name.
    pub(crate) table: String,
    /// `trigger` or `rule`.
    pub(crate) kind: String,
    /// Its name, quoted as an identifier.
    pub(crate) name: String,
    /// Whether it fires in every session (`ENABLE ALWAYS`).
    pub(crate) always: bool,
}

impl Fired {
    /// Returns the statement that disables or enables it.
    pub(crate) fn turn(&self, able: &str) -> String {
        format!("ALTER TABLE \"{}\" {able} {} {}", self.table, self.kind.to_uppercase(), self.name)
    }
}

/// Returns those that an update of the tenant key alone would fire, in the order of their tables. Reads the catalog.
pub(crate) async fn fired(connection: &mut Connection) -> Result<Vec<Fired>> {
    let expected = Snapshot::expected();
    let ours = expected.tables.values().flat_map(|table| table.triggers.keys()).map(|name| literal(name));
    let ours: Vec<String> = ours.collect();
    let filled: Vec<String> = filled_tables().map(literal).collect();
    // A trigger for other columns does not fire.
    let sql = format!(
        "WITH fired (relation, kind, name, enabled) AS (SELECT tgrelid, 'trigger', tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal \
         AND (tgtype & 16) <> 0 AND tgattr::text = '' AND tgname NOT IN ({}) \
         UNION ALL SELECT ev_class, 'rule', rulename, ev_enabled FROM pg_rewrite WHERE ev_type = '2') \
         SELECT json_build_object('table', c.relname, 'kind', f.kind, 'name', quote_ident(f.name), 'always', f.enabled IN ('A', 'R'))::text \
         FROM fired f JOIN pg_class c ON c.oid = f.relation WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') \
         AND c.relname IN ({}) AND f.enabled <> 'D' ORDER BY c.relname, f.name",
        ours.join(", "),
        filled.join(", ")
    );
    connection.documents(&sql, DOING).await
}

/// Returns the statements that let the rest of a transaction fire none of them, except those that fire always; `None` if
/// this login may not set that. Our own triggers and foreign keys do not fire either: the fill computes the same value,
/// and the constraints are validated after it.
pub(crate) async fn fire_none(connection: &mut Connection) -> Result<Option<String>> {
    // Only the login itself may have the right, and it acts as the owner.
    let sql = format!(
        "SELECT format('SET LOCAL ROLE NONE; SET LOCAL {ROLE} = replica; SET LOCAL ROLE %I; ', current_user) \
         WHERE has_parameter_privilege(session_user, '{ROLE}', 'SET')"
    );
    connection.ask(&sql, DOING).await
}

/// Returns the statement with which a superuser gives this login the right to fire none.
pub(crate) async fn grant(connection: &mut Connection) -> Result<String> {
    let sql = format!("SELECT format('GRANT SET ON PARAMETER {ROLE} TO %I', session_user)");
    Ok(connection.ask(&sql, DOING).await?.unwrap_or_default())
}
