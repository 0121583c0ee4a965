//! PostgreSQL: the statements with which the text of a unit begins.

use std::time::Duration;

use crate::log_position::LogPosition;
use crate::pool::postgres::{AUDIT_LOG, SEARCH_PATH};
use crate::pool::{Auditing, AuditingRole, DbRole, HeldSession};
use crate::unit_options::Access;

/// Returns the statement that begins a transaction.
pub(super) fn begin(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "BEGIN",
        // One snapshot for all statements, as SQLite gives every reader.
        Access::ReadOnly => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    }
}

/// Returns the statements that assume the database role and set the tenant, each after a semicolon, and the number of
/// rows of their answers.
pub(super) fn assume(db_role: &DbRole<'_>, row_level_security: bool, behind_pooler: bool) -> (String, usize) {
    let (mut assume, rows) = match db_role {
        DbRole::Audit(auditing) => (read_audit_log(*auditing), 0),
        // Whatever the pool knows of roles: the check is never left out.
        DbRole::Session(session) => ([hold(session), assume_tenant(session.tenant)].concat(), 2),
        _ if !row_level_security => (String::new(), 0),
        DbRole::Tenant(tenant) => (assume_tenant(tenant), 1),
        DbRole::Identity => ("; SET LOCAL ROLE rylie_identity".to_owned(), 0),
        DbRole::Platform => ("; SET LOCAL ROLE rylie_platform".to_owned(), 0),
    };
    if behind_pooler {
        assume.push_str("; SET LOCAL search_path = ");
        assume.push_str(SEARCH_PATH);
    }
    (assume, rows)
}

/// One statement instead of two saves server time; `SET LOCAL ROLE` has the same effect.
fn assume_tenant(tenant: &str) -> String {
    let set = "; SELECT set_config('role', 'rylie_tenant', true), set_config('rylie.tenant', ";
    [set, &literal(tenant), ", true)"].concat()
}

/// Returns the statement that fails unless the session holds.
fn hold(session: &HeldSession<'_>) -> String {
    let HeldSession { session, digest, user, role, agency, tenant, at } = session;
    let [session, digest, user, role, tenant] = [session, digest, user, role, tenant].map(|text| literal(text));
    let agency = agency.map_or_else(|| "NULL".to_owned(), literal);
    let at = at.format("%Y-%m-%dT%H:%M:%S%.6f");
    let values = [session, digest, user, role, agency, tenant].join(", ");
    format!("; SELECT public.rylie_hold_session({values}, '{at}'::timestamp)")
}

/// Returns the statements that follow the `BEGIN` of a verification. They need no snapshot, so the tables are locked before
/// it is taken: what the catalog says in it stays true of these tables until the end.
fn read_audit_log(auditing: Auditing) -> String {
    let role = match auditing.role {
        AuditingRole::Platform => "; SET LOCAL ROLE rylie_platform; SET LOCAL row_security = on",
        AuditingRole::Auditor => "; SET LOCAL ROLE rylie_auditor; SET LOCAL row_security = on",
        AuditingRole::Login => "; SET LOCAL row_security = off",
    };
    if !auditing.is_lockable {
        return role.to_owned();
    }
    [role, "; LOCK TABLE ", &AUDIT_LOG.join(", "), " IN ACCESS SHARE MODE"].concat()
}

/// Returns the end of a batch on a replica, which fails unless the server's state matches the last probe.
///
/// The first function needs a server in recovery and fails on a promoted one. The division fails on a server that has
/// not replayed this position, as after a crash or on another server.
pub(super) fn on_replica(replayed: LogPosition) -> String {
    let behind = replayed.bytes();
    format!("; SELECT pg_is_wal_replay_paused(), 1 / (pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= {behind})::int")
}

/// Returns the end of a batch that limits each statement of the unit. At least 1 ms, because zero means no limit.
pub(super) fn limit_statements(limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX as u128);
    format!("; SET LOCAL statement_timeout = {millis}")
}

/// Returns the end of a batch that limits the pauses inside the unit's transaction.
pub(super) fn limit_pauses(limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX as u128);
    format!("; SET LOCAL idle_in_transaction_session_timeout = {millis}")
}

/// Returns the same for a unit behind a pooler, where we set no session limit. A lower limit of the server stays.
pub(super) fn limit_statements_unless_lower(limit: Duration) -> String {
    let millis = limit.as_millis().clamp(1, i32::MAX as u128);
    format!(
        "; SELECT set_config('statement_timeout', CASE WHEN current_setting('statement_timeout')::interval \
         BETWEEN '1us' AND '{millis}ms' THEN current_setting('statement_timeout') ELSE '{millis}' END, true)"
    )
}

/// Returns a string literal that reads the same under any `standard_conforming_strings` and `backslash_quote`.
pub(crate) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 3);
    literal.push_str("E'");
    for letter in text.chars().filter(|letter| *letter != '\0') {
        // Doubled: a quote after a backslash is refused under `backslash_quote = off`.
        if matches!(letter, '\\' | '\'') {
            literal.push(letter);
        }
        literal.push(letter);
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_hostile_tenant_stays_inside_its_literal() {
        assert_eq!(literal(r"'; DROP TABLE x; --\"), r"E'''; DROP TABLE x; --\\'");
    }
}
