//! The measurements of a run, for its page and for later comparisons. A missing right leaves them empty.

use sqlx::Row;

use super::Run;
use crate::doctor::check::Need;
use crate::doctor::data::{SlowStatement, TenantCost, WaitEdge};
use crate::doctor::queries;
use crate::doctor::report::Limits;
use crate::doctor::session::Session;
use crate::doctor::session::placeholders::{KIND, fill};

/// Measuring a table waits for an exclusive lock on it, so tables with one are left out.
const TABLES: &str = "SELECT c.relname::text, pg_total_relation_size(c.oid), pg_database_size(current_database()) FROM pg_class c \
     WHERE c.relkind IN ('r', 'm') AND c.relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_locks k \
     WHERE k.relation = c.oid AND k.mode = 'AccessExclusiveLock') ORDER BY 2 DESC LIMIT 40";

const WAITS: &str = "SELECT a.pid::bigint, b.pid::bigint, extract(epoch FROM clock_timestamp() - a.state_change)::bigint, \
     coalesce((SELECT coalesce(state, 'unknown') || ': ' || {query} FROM pg_stat_activity o WHERE o.pid = b.pid), 'prepared transaction') \
     FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) b(pid) WHERE a.wait_event_type = 'Lock' ORDER BY 3 DESC LIMIT 200";

const STATEMENTS: &str = "SELECT coalesce(queryid::text, ''), left(regexp_replace(query, '\\s+', ' ', 'g'), 120), sum(calls)::bigint, \
     (sum(total_exec_time) / greatest(sum(calls), 1))::float8, sum(total_exec_time)::float8 FROM pg_stat_statements s \
     JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database() AND query !~ '''' AND {not_ours} GROUP BY 1, 2 ORDER BY 5 DESC LIMIT 30";

const SETTINGS: &str = "SELECT name, CASE WHEN name ~ 'password|conninfo|command|secret' THEN 'set' ELSE setting END FROM pg_settings \
     WHERE source IN ('configuration file', 'command line', 'database', 'user', 'environment variable') AND category !~ '^Preset' ORDER BY 1";

/// The most common values of the tenant key, times the rows of the table: no row is read.
const TENANTS: &str = "SELECT tenant, sum(rows)::bigint, sum(bytes)::bigint FROM (\
     SELECT v.tenant, v.share * t.reltuples AS rows, v.share * pg_total_relation_size(t.oid) AS bytes \
     FROM {tenant_tables} t JOIN pg_namespace n ON n.oid = t.relnamespace JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = t.relname AND s.attname = 'tenantId', \
     unnest(s.most_common_vals::text::text[], s.most_common_freqs) v(tenant, share) WHERE t.reltuples > 0) m GROUP BY 1 ORDER BY 2 DESC LIMIT 20";

/// Statements that read about 10,000 rows of each of the largest tables.
const SAMPLES: &str = "SELECT format('(SELECT \"tenantId\" AS tenant, count(*) * %s AS rows, count(*) * %s AS bytes FROM %s TABLESAMPLE SYSTEM (%s) GROUP BY 1)', \
     greatest(1, t.reltuples / 10000), greatest(1, t.reltuples / 10000) * pg_total_relation_size(t.oid) / greatest(t.reltuples, 1), t.oid::regclass, least(100, 1000000 / greatest(t.reltuples, 1))) \
     FROM {tenant_tables} t WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace AND t.reltuples > 0 ORDER BY t.reltuples DESC LIMIT 8";

const SAMPLED: &str = "SELECT tenant, sum(rows)::bigint, sum(bytes)::bigint FROM";

pub(super) async fn postgres(session: &mut Session, run: &mut Run<'_>) {
    let none = Limits::fixed(0.0, 0.0, "");
    let filled = |sql: &str| fill(sql, run.facts, &none, false);
    let (waits, tenants, statements) = (filled(WAITS), filled(TENANTS), filled(STATEMENTS));
    let connections = format!(
        "SELECT coalesce(usename, 'system')::text || ' · ' || coalesce(nullif(application_name, ''), {KIND}) || ' · ' || coalesce(state, 'background'), \
         count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 2 DESC LIMIT 40"
    );
    for row in session.rows("", TABLES).await.unwrap_or_default() {
        if let (Ok(name), Ok(bytes), Ok(all)) = (row.try_get(0), row.try_get(1), row.try_get(2)) {
            run.data.table_bytes.insert(name, bytes);
            run.data.database_bytes = Some(all);
        }
    }
    for row in session.rows("", &connections).await.unwrap_or_default() {
        if let (Ok(name), Ok(number)) = (row.try_get(0), row.try_get(1)) {
            run.data.connections.insert(name, number);
        }
    }
    for row in session.rows("", &waits).await.unwrap_or_default() {
        if let (Ok(waiter), Ok(blocker), Ok(seconds), Ok(blocker_does)) =
            (row.try_get(0), row.try_get(1), row.try_get(2), row.try_get(3))
        {
            run.data.waits.push(WaitEdge { waiter, blocker, seconds, blocker_does });
        }
    }
    if session.rights.lacks(Need::Extension("pg_stat_statements")).is_none() {
        for row in session.rows("", &statements).await.unwrap_or_default() {
            if let (Ok(id), Ok(text), Ok(calls), Ok(mean_ms), Ok(total_ms)) =
                (row.try_get(0), row.try_get(1), row.try_get(2), row.try_get(3), row.try_get(4))
            {
                run.data.statements.push(SlowStatement { id, text, calls, mean_ms, total_ms });
            }
        }
    }
    for row in session.rows("", SETTINGS).await.unwrap_or_default() {
        if let (Ok(name), Ok(value)) = (row.try_get(0), row.try_get(1)) {
            run.data.settings.insert(name, value);
        }
    }
    let role = session.rights.role_for(&[Need::EveryTenant]);
    let mut of_tenants = session.rows("", &tenants).await.unwrap_or_default();
    if of_tenants.is_empty() && session.rights.lacks(Need::EveryTenant).is_none() {
        // The statistics of a table are hidden from a login that its policies apply to.
        let samples = session.rows("", &filled(SAMPLES)).await.unwrap_or_default();
        let samples: Vec<String> = samples.iter().filter_map(|row| row.try_get(0).ok()).collect();
        if !samples.is_empty() {
            let sql = format!("{SAMPLED} ({}) s GROUP BY 1 ORDER BY 2 DESC LIMIT 20", samples.join(" UNION ALL "));
            of_tenants = session.rows(role, &sql).await.unwrap_or_default();
        }
    }
    for row in of_tenants {
        if let (Ok(tenant), Ok(rows), Ok(bytes)) = (row.try_get(0), row.try_get(1), row.try_get(2)) {
            run.data.tenants.push(TenantCost { tenant, rows, bytes, work: None });
        }
    }
    let fingerprint = session.rows("", "SELECT fingerprint FROM public.rylie_database").await.unwrap_or_default();
    run.data.fingerprint = fingerprint.first().and_then(|row| row.try_get(0).ok());
    run.data.plans = queries::plan_shapes(session).await;
}
