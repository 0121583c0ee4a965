//! The exclusion of sealers. It saves work only: keys refuse a batch that two of them seal.

use sea_orm::QueryResult;

use crate::Result;
use crate::audit::rows::lenient;
use crate::tx::Tx;

/// The advisory lock that commands of before use alone: two numbers that nothing else uses. Every login may take it, so it
/// counts only in the hands of one that may seal.
const OF_BEFORE: &str = "SELECT pg_try_advisory_xact_lock(7264, 5) AS locked, \
     to_regprocedure('public.rylie_audit_lock_sealing()') IS NOT NULL AS has_lock";

/// Selects the process that holds that lock, and whether its login may seal. A prepared transaction has no process, and no
/// command prepares one.
const HOLDER: &str = "SELECT l.pid, coalesce(a.usename::text, 'an unknown login') AS login, \
     l.pid IS NOT NULL AND coalesce((SELECT pg_has_role(a.usesysid, r.oid, 'MEMBER') FROM pg_roles r WHERE r.rolname = 'rylie_sealer'), true) AS may_seal \
     FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'advisory' AND l.classid = 7264 AND l.objid = 5 \
     AND l.objsubid = 2 AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";

/// Not a plain `SELECT`, which would be classified as a read.
const LOCK: &str = "WITH done AS MATERIALIZED (SELECT rylie_audit_lock_sealing() AS locked) SELECT locked FROM done";

/// Takes the lock of sealing until the end of the unit. Returns whether it was free. SQLite's unit already has the
/// exclusive right to write. Three statements, and one more if a login holds the lock of commands of before.
pub(super) async fn may_seal(tx: &Tx) -> Result<bool> {
    if tx.across_tenants()?.is_sqlite() {
        return Ok(true);
    }
    let rows = tx.across_tenants()?.rows(OF_BEFORE, vec![]).await?;
    let is = |name: &str| rows.first().is_some_and(|row| lenient(row, name));
    if !is("locked") && is_sealed_by_a_command_of_before(tx).await? {
        return Ok(false);
    }
    // A database that was not deployed since has the advisory lock only.
    if !is("has_lock") {
        return Ok(true);
    }
    tx.become_sealer().await?;
    let rows = tx.across_tenants()?.rows(LOCK, vec![]).await?;
    tx.become_platform().await?;
    rows.first().map_or(Ok(false), |row| Ok(row.try_get("", "locked")?))
}

/// Names the process that holds the lock of commands of before, and returns whether its login may seal.
async fn is_sealed_by_a_command_of_before(tx: &Tx) -> Result<bool> {
    let holders = tx.across_tenants()?.rows(HOLDER, vec![]).await?;
    let may_seal = |row: &QueryResult| lenient::<bool>(row, "may_seal");
    for row in &holders {
        let (pid, login) = (lenient::<i32>(row, "pid"), lenient::<String>(row, "login"));
        if may_seal(row) {
            tracing::warn!(
                pid,
                login,
                "another process seals the audit log; if it hangs, end it with SELECT pg_terminate_backend(pid)"
            );
        } else {
            tracing::warn!(
                pid,
                login,
                "a login that may not seal holds the advisory lock of sealing; it is ignored, but stops rylie commands of before"
            );
        }
    }
    Ok(holders.iter().any(may_seal))
}
