//! Faults that cannot be planted on a test's server: the check's own statement runs on given rows instead of those of
//! the server's views. Each case has rows that trip the check and rows that do not.

use rylie_db::maintenance::{Engine, Verdict, check_given};
use rylie_testkit::Cluster;

/// Views of the server's catalog, each with the statement that replaces it.
type Rows = &'static [(&'static str, &'static str)];

pub(super) struct Given {
    pub(super) check: &'static str,
    tripped: Rows,
    clean: Rows,
}

const fn given(check: &'static str, tripped: Rows, clean: Rows) -> Given {
    Given { check, tripped, clean }
}

/// An index that was never read.
const OF_AN_INDEX: &str = "SELECT 'public' AS schemaname, indrelid AS relid, indexrelid, 'lonely' AS indexrelname, 0 AS idx_scan \
     FROM pg_index WHERE NOT indisunique AND indisvalid LIMIT 1";

pub(super) const GIVEN: &[Given] = &[
    given(
        "activity.connections",
        &[(
            "pg_stat_activity",
            "SELECT 1 AS datid, 'idle' AS state, 'client backend' AS backend_type FROM generate_series(1, 199)",
        )],
        &[(
            "pg_stat_activity",
            "SELECT 1 AS datid, 'idle' AS state, 'client backend' AS backend_type FROM generate_series(1, 9)",
        )],
    ),
    given(
        "activity.connection-limits",
        &[("pg_roles", "SELECT 'app'::name AS rolname, 0 AS rolconnlimit, 1::oid AS oid, true AS rolcanlogin")],
        &[("pg_roles", "SELECT 'app'::name AS rolname, 100 AS rolconnlimit, 1::oid AS oid, true AS rolcanlogin")],
    ),
    given(
        "activity.idle-sessions",
        &[(
            "pg_stat_activity",
            "SELECT 'idle' AS state, clock_timestamp() - interval '2 hours' AS state_change, 'client backend' AS backend_type, 'web' AS application_name, 'app' AS usename FROM generate_series(1, 30)",
        )],
        &[(
            "pg_stat_activity",
            "SELECT 'idle' AS state, clock_timestamp() - interval '5 minutes' AS state_change, 'client backend' AS backend_type, 'web' AS application_name, 'app' AS usename FROM generate_series(1, 30)",
        )],
    ),
    given(
        "activity.long-queries",
        &[(
            "pg_stat_activity",
            "SELECT 7 AS pid, 'active' AS state, clock_timestamp() - interval '10 minutes' AS query_start, 'client backend' AS backend_type, 'web' AS application_name, 'app' AS usename, 'SELECT 1' AS query, NULL AS wait_event_type",
        )],
        &[(
            "pg_stat_activity",
            "SELECT 7 AS pid, 'active' AS state, clock_timestamp() - interval '10 hours' AS query_start, 'client backend' AS backend_type, 'pg_dump' AS application_name, 'app' AS usename, 'COPY' AS query, NULL AS wait_event_type \
             UNION ALL SELECT 8, 'active', clock_timestamp() - interval '1 hour', 'client backend', 'web', 'app', 'UPDATE', 'Lock'",
        )],
    ),
    given(
        "tables.unused-index",
        &[
            ("pg_stat_user_indexes", OF_AN_INDEX),
            ("pg_stat_database", "SELECT current_database() AS datname, now() - interval '9 days' AS stats_reset"),
        ],
        &[
            ("pg_stat_user_indexes", OF_AN_INDEX),
            ("pg_stat_database", "SELECT current_database() AS datname, now() - interval '9 hours' AS stats_reset"),
        ],
    ),
    given(
        "activity.long-operations",
        &[(
            "pg_stat_activity",
            "SELECT 7 AS pid, clock_timestamp() - interval '7 hours' AS xact_start, 'client backend' AS backend_type, 'pg_dump' AS application_name, 'app' AS usename",
        )],
        &[(
            "pg_stat_activity",
            "SELECT 7 AS pid, clock_timestamp() - interval '1 hour' AS xact_start, 'client backend' AS backend_type, 'pg_dump' AS application_name, 'app' AS usename",
        )],
    ),
    given(
        "activity.prepared-transactions",
        &[(
            "pg_prepared_xacts",
            "SELECT 'gid' AS gid, clock_timestamp() - interval '1 minute' AS prepared, 'app' AS owner, 'db' AS database",
        )],
        &[(
            "pg_prepared_xacts",
            "SELECT 'gid' AS gid, clock_timestamp() AS prepared, 'app' AS owner, 'db' AS database",
        )],
    ),
    given(
        "activity.deadlocks",
        &[(
            "pg_stat_database",
            "SELECT current_database() AS datname, 50::bigint AS deadlocks, now() - interval '2 days' AS stats_reset",
        )],
        &[(
            "pg_stat_database",
            "SELECT current_database() AS datname, 1::bigint AS deadlocks, now() - interval '20 days' AS stats_reset",
        )],
    ),
    given(
        "activity.contention",
        &[(
            "pg_stat_activity",
            "SELECT i AS pid, 'active' AS state, 'LWLock' AS wait_event_type, 'WALWrite' AS wait_event FROM generate_series(1, 20) i",
        )],
        &[(
            "pg_stat_activity",
            "SELECT i AS pid, 'active' AS state, 'LWLock' AS wait_event_type, 'WALWrite' AS wait_event FROM generate_series(1, 3) i",
        )],
    ),
    given(
        "activity.autovacuum-busy",
        &[(
            "pg_stat_activity",
            "SELECT 'autovacuum worker' AS backend_type, clock_timestamp() - interval '2 hours' AS xact_start FROM generate_series(1, 3)",
        )],
        &[(
            "pg_stat_activity",
            "SELECT 'autovacuum worker' AS backend_type, clock_timestamp() - interval '2 minutes' AS xact_start FROM generate_series(1, 3)",
        )],
    ),
    given(
        "queries.statistics",
        &[("pg_settings", "SELECT 'work_mem' AS name"), ("pg_extension", "SELECT 'plpgsql' AS extname")],
        &[
            ("pg_settings", "SELECT 'pg_stat_statements.max' AS name"),
            ("pg_extension", "SELECT 'pg_stat_statements' AS extname"),
        ],
    ),
    given(
        "queries.slow",
        &[(
            "pg_stat_statements",
            "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) AS dbid, 7 AS queryid, 'SELECT 1' AS query, 9 AS calls, 900.0::float8 AS mean_exec_time",
        )],
        &[(
            "pg_stat_statements",
            "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()) AS dbid, 7 AS queryid, 'VACUUM' AS query, 9 AS calls, 900.0::float8 AS mean_exec_time",
        )],
    ),
    given(
        "queries.share",
        &[(
            "pg_stat_statements",
            "SELECT 7 AS queryid, 'SELECT 1' AS query, 9 AS calls, 900000.0::float8 AS total_exec_time",
        )],
        &[(
            "pg_stat_statements",
            "SELECT i AS queryid, 'SELECT 1' AS query, 9 AS calls, 900000.0::float8 AS total_exec_time FROM generate_series(1, 9) i",
        )],
    ),
    given(
        "queries.repeated",
        &[(
            "pg_stat_statements",
            "SELECT 7 AS queryid, 'SELECT 1' AS query, 90000 AS calls, 90000 AS rows UNION ALL SELECT 8, 'BEGIN; SELECT set_config(role)', 100, 100",
        )],
        &[(
            "pg_stat_statements",
            "SELECT 7 AS queryid, 'SELECT 1' AS query, 90000 AS calls, 90000 AS rows UNION ALL SELECT 8, 'BEGIN; SELECT set_config(role)', 90000, 90000",
        )],
    ),
    given(
        "queries.evicted",
        &[("pg_stat_statements_info", "SELECT 50 AS dealloc")],
        &[("pg_stat_statements_info", "SELECT 0 AS dealloc")],
    ),
    given(
        "tables.sequential-scans",
        &[(
            "pg_stat_user_tables",
            "SELECT 'public' AS schemaname, 1259::oid AS relid, 900000 AS n_live_tup, 2000 AS seq_scan, 900000000 AS seq_tup_read, 5 AS idx_scan",
        )],
        &[(
            "pg_stat_user_tables",
            "SELECT 'public' AS schemaname, 1259::oid AS relid, 900000 AS n_live_tup, 2000 AS seq_scan, 900000000 AS seq_tup_read, 5000 AS idx_scan",
        )],
    ),
    given(
        "tables.cache-hits",
        &[(
            "pg_stat_database",
            "SELECT current_database() AS datname, 1000000::bigint AS blks_hit, 9000000::bigint AS blks_read",
        )],
        &[(
            "pg_stat_database",
            "SELECT current_database() AS datname, 9900000::bigint AS blks_hit, 100000::bigint AS blks_read",
        )],
    ),
    given(
        "server.fsync",
        &[("pg_settings", "SELECT 'fsync' AS name, 'off' AS setting")],
        &[("pg_settings", "SELECT 'fsync' AS name, 'on' AS setting")],
    ),
    given(
        "server.full-page-writes",
        &[("pg_settings", "SELECT 'full_page_writes' AS name, 'off' AS setting")],
        &[("pg_settings", "SELECT 'full_page_writes' AS name, 'on' AS setting")],
    ),
    given(
        "server.checksums",
        &[("pg_settings", "SELECT 'data_checksums' AS name, 'off' AS setting")],
        &[("pg_settings", "SELECT 'data_checksums' AS name, 'on' AS setting")],
    ),
    given(
        "server.checksum-failures",
        &[
            ("pg_settings", "SELECT 'data_checksums' AS name, 'on' AS setting"),
            ("pg_stat_database", "SELECT 2 AS checksum_failures"),
        ],
        &[
            ("pg_settings", "SELECT 'data_checksums' AS name, 'on' AS setting"),
            ("pg_stat_database", "SELECT 0 AS checksum_failures"),
        ],
    ),
    given(
        "server.synchronous-commit",
        &[("pg_settings", "SELECT 'synchronous_commit' AS name, 'off' AS reset_val")],
        &[("pg_settings", "SELECT 'synchronous_commit' AS name, 'on' AS reset_val")],
    ),
    given(
        "server.replication-lag",
        &[(
            "pg_stat_replication",
            "SELECT 'standby' AS application_name, 'streaming' AS state, interval '9 minutes' AS replay_lag, pg_current_wal_flush_lsn() - 1000000::numeric AS replay_lsn",
        )],
        &[(
            "pg_stat_replication",
            "SELECT 'standby' AS application_name, 'streaming' AS state, interval '0' AS replay_lag, pg_current_wal_flush_lsn() AS replay_lsn",
        )],
    ),
    given(
        "server.synchronous-commit",
        &[
            ("pg_settings", "SELECT 'synchronous_commit' AS name, 'on' AS reset_val"),
            (
                "pg_db_role_setting",
                "SELECT 0::oid AS setrole, 0::oid AS setdatabase, ARRAY['synchronous_commit=off'] AS setconfig",
            ),
        ],
        &[
            ("pg_settings", "SELECT 'synchronous_commit' AS name, 'on' AS reset_val"),
            (
                "pg_db_role_setting",
                "SELECT 0::oid AS setrole, 0::oid AS setdatabase, ARRAY['synchronous_commit=local'] AS setconfig",
            ),
        ],
    ),
    given(
        "server.synchronous-standby",
        &[
            (
                "pg_settings",
                "SELECT 'synchronous_standby_names' AS name, 'gone' AS reset_val UNION ALL SELECT 'synchronous_commit', 'on'",
            ),
            ("pg_stat_replication", "SELECT 'async' AS sync_state"),
        ],
        &[
            (
                "pg_settings",
                "SELECT 'synchronous_standby_names' AS name, 'here' AS reset_val UNION ALL SELECT 'synchronous_commit', 'on'",
            ),
            ("pg_stat_replication", "SELECT 'sync' AS sync_state"),
        ],
    ),
    given(
        "server.slot-limit",
        &[("pg_replication_slots", "SELECT 'slot' AS slot_name")],
        &[("pg_replication_slots", "SELECT 'slot' AS slot_name WHERE false")],
    ),
    given(
        "server.archiver",
        &[
            (
                "pg_settings",
                "SELECT 'archive_mode' AS name, 'on' AS setting UNION ALL SELECT 'archive_command', 'cp %p /gone'",
            ),
            (
                "pg_stat_archiver",
                "SELECT 5 AS failed_count, now() AS last_failed_time, now() - interval '1 hour' AS last_archived_time",
            ),
        ],
        &[
            (
                "pg_settings",
                "SELECT 'archive_mode' AS name, 'on' AS setting UNION ALL SELECT 'archive_command', 'cp %p /here'",
            ),
            (
                "pg_stat_archiver",
                "SELECT 5 AS failed_count, now() - interval '9 days' AS last_failed_time, now() AS last_archived_time",
            ),
        ],
    ),
    given(
        "server.checkpoints",
        &[
            ("pg_stat_bgwriter", "SELECT 90 AS checkpoints_req, 10 AS checkpoints_timed"),
            ("pg_stat_checkpointer", "SELECT 90 AS num_requested, 10 AS num_timed"),
        ],
        &[
            ("pg_stat_bgwriter", "SELECT 10 AS checkpoints_req, 90 AS checkpoints_timed"),
            ("pg_stat_checkpointer", "SELECT 10 AS num_requested, 90 AS num_timed"),
        ],
    ),
    given(
        "server.temporary-files",
        &[(
            "pg_stat_database",
            "SELECT current_database() AS datname, 9 AS temp_files, 9000000000::bigint AS temp_bytes, now() - interval '2 days' AS stats_reset",
        )],
        &[(
            "pg_stat_database",
            "SELECT current_database() AS datname, 9 AS temp_files, 9000000::bigint AS temp_bytes, now() - interval '2 days' AS stats_reset",
        )],
    ),
    given(
        "server.autovacuum",
        &[("pg_settings", "SELECT 'autovacuum' AS name, 'off' AS setting")],
        &[("pg_settings", "SELECT 'autovacuum' AS name, 'on' AS setting")],
    ),
    given(
        "server.track-counts",
        &[("pg_settings", "SELECT 'track_counts' AS name, 'off' AS reset_val")],
        &[("pg_settings", "SELECT 'track_counts' AS name, 'on' AS reset_val")],
    ),
    given(
        "server.timeouts",
        &[("pg_settings", "SELECT 'statement_timeout' AS name, '0' AS reset_val")],
        &[("pg_settings", "SELECT 'statement_timeout' AS name, '60000' AS reset_val")],
    ),
    given(
        "server.pending-restart",
        &[("pg_settings", "SELECT 'max_connections' AS name, '100' AS setting, true AS pending_restart")],
        &[("pg_settings", "SELECT 'max_connections' AS name, '100' AS setting, false AS pending_restart")],
    ),
    given(
        "server.trust",
        &[(
            "pg_hba_file_rules",
            "SELECT 1 AS line_number, 'host' AS type, '{all}'::text[] AS database, '{all}'::text[] AS user_name, '0.0.0.0' AS address, 'trust' AS auth_method, NULL AS error",
        )],
        &[(
            "pg_hba_file_rules",
            "SELECT 1 AS line_number, 'host' AS type, '{all}'::text[] AS database, '{all}'::text[] AS user_name, '0.0.0.0' AS address, 'scram-sha-256' AS auth_method, NULL AS error",
        )],
    ),
    given(
        "server.file-errors",
        &[("pg_hba_file_rules", "SELECT 9 AS line_number, 'invalid method' AS error")],
        &[
            ("pg_hba_file_rules", "SELECT 9 AS line_number, NULL::text AS error"),
            (
                "pg_file_settings",
                "SELECT 'conf' AS sourcefile, 1 AS sourceline, 'work_mem' AS name, NULL::text AS error, true AS applied",
            ),
        ],
    ),
    given(
        "server.unencrypted-sessions",
        &[
            ("pg_stat_ssl", "SELECT 7 AS pid, false AS ssl"),
            ("pg_stat_activity", "SELECT 7 AS pid, 'app' AS usename, '10.0.0.9'::inet AS client_addr"),
        ],
        &[
            ("pg_stat_ssl", "SELECT 7 AS pid, true AS ssl"),
            ("pg_stat_activity", "SELECT 7 AS pid, 'app' AS usename, '10.0.0.9'::inet AS client_addr"),
        ],
    ),
    given(
        "server.pooler",
        &[("pg_stat_activity", "SELECT 'pgbouncer' AS application_name")],
        &[("pg_stat_activity", "SELECT 'rylie/web' AS application_name")],
    ),
];

#[tokio::test]
async fn each_check_finds_its_fault_in_given_rows_and_nothing_in_healthy_ones() {
    let database = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let engine = Engine::new(&database.url()).unwrap();
    let low = ["server.replication-lag=500000".parse().unwrap()];
    for Given { check, tripped, clean } in GIVEN {
        let looked = async |rows: Rows| check_given(&engine, check, rows, &low).await.unwrap();
        let found = looked(tripped).await;
        assert!(found.status.is_finding() && found.fix.is_some(), "{found:?}");
        let healthy = looked(clean).await;
        assert_eq!(healthy.status, Verdict::Ok, "{healthy:?}");
    }
}
