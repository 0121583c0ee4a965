//! Replicas and the write-ahead log.

use crate::doctor::check::{CheckSpec, Need, postgres};

pub(super) const REPLICATION_LAG: CheckSpec = postgres(
    "server.replication-lag",
    "A replica is behind, so its reads are old and a failover loses data.",
    "SELECT CASE WHEN behind >= {c} THEN 'critical' WHEN behind >= {w} THEN 'warning' END, 'replica ' || quote_ident(application_name), \
       pg_size_pretty(behind) || ' behind' || coalesce(', ' || extract(epoch FROM replay_lag)::bigint || ' s', '') || ', state ' || state, NULL, NULL \
     FROM (SELECT application_name, state, replay_lag, pg_wal_lsn_diff(pg_current_wal_flush_lsn(), replay_lsn) AS behind FROM pg_stat_replication \
       WHERE state IN ('streaming', 'catchup')) r",
)
.healthy("no replica is behind")
.limits(67_108_864.0, 1_073_741_824.0, "bytes")
.needs(&[Need::Statistics, Need::Primary])
.fix("check network, disk and long queries of the replica", "none");

pub(super) const SYNCHRONOUS_STANDBY: CheckSpec = postgres(
    "server.synchronous-standby",
    "Commits wait for a synchronous replica that is not connected.",
    "SELECT CASE WHEN reset_val <> '' AND n = 0 AND EXISTS (SELECT FROM pg_settings c WHERE c.name = 'synchronous_commit' AND c.reset_val NOT IN ('off', 'local')) THEN 'critical' ELSE 'ok' END, 'setting synchronous_standby_names', \
       CASE WHEN reset_val = '' THEN 'is empty' ELSE 'names replicas, and ' || n || ' synchronous ones are connected' END, 'ALTER SYSTEM SET synchronous_standby_names = ''''', 'none; then SELECT pg_reload_conf()' \
     FROM pg_settings, (SELECT count(*) AS n FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) r WHERE name = 'synchronous_standby_names'",
)
.healthy("commits wait for no missing replica")
.needs(&[Need::Statistics, Need::Primary])
.fix("start the replica; ALTER SYSTEM SET synchronous_standby_names = '' lets commits continue without it", "none; then SELECT pg_reload_conf()");

pub(super) const SLOTS: CheckSpec = postgres(
    "server.replication-slots",
    "A replication slot without a reader keeps the write-ahead log until the disk is full.",
    "SELECT CASE WHEN wal_status IN ('lost', 'unreserved') OR kept >= {c} THEN 'critical' WHEN NOT active OR kept >= {w} THEN 'warning' END, 'slot ' || quote_ident(slot_name), \
       CASE WHEN active THEN 'is read' ELSE 'has no reader' END || ', keeps ' || pg_size_pretty(coalesce(kept, 0)) || ' of the log, status ' || coalesce(wal_status, 'unknown'), \
       CASE WHEN NOT active THEN 'SELECT pg_drop_replication_slot(' || quote_literal(slot_name) || ')' END, 'none; its reader cannot continue' \
     FROM (SELECT *, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn) AS kept \
       FROM pg_replication_slots WHERE NOT temporary) s",
)
.healthy("every replication slot is read")
.limits(1_073_741_824.0, 10_737_418_240.0, "bytes kept")
.fix("start the reader of the slot, or drop the slot", "none; its reader cannot continue");

pub(super) const SLOT_LIMIT: CheckSpec = postgres(
    "server.slot-limit",
    "Replication slots may keep the write-ahead log without limit.",
    "SELECT CASE WHEN current_setting('max_slot_wal_keep_size') = '-1' AND slots > 0 THEN 'warning' ELSE 'ok' END, 'setting max_slot_wal_keep_size', \
       slots || ' slots, and the limit is ' || CASE current_setting('max_slot_wal_keep_size') WHEN '-1' THEN 'none' ELSE current_setting('max_slot_wal_keep_size') END, \
       'ALTER SYSTEM SET max_slot_wal_keep_size = ''20GB''', 'none; then SELECT pg_reload_conf()' FROM (SELECT count(*) AS slots FROM pg_replication_slots) s",
)
.warns()
.fix("ALTER SYSTEM SET max_slot_wal_keep_size", "none");

pub(super) const ARCHIVER: CheckSpec = postgres(
    "server.archiver",
    "The write-ahead log is not archived, so recovery ends at the last archived file and the disk fills up.",
    "SELECT CASE WHEN mode = 'off' THEN 'not-checked' \
         WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN 'critical' \
         WHEN command = '' AND library = '' THEN 'critical' \
         WHEN last_failed_time > now() - interval '1 day' THEN 'warning' \
         WHEN last_archived_time < now() - {c} * interval '1 second' AND NOT pg_is_in_recovery() THEN 'warning' ELSE 'ok' END, 'archiver', \
       CASE WHEN mode = 'off' THEN 'archive_mode is off: there is no archive of the log' \
         ELSE failed_count || ' failures' || coalesce(', the last ' || to_char(last_failed_time, 'YYYY-MM-DD HH24:MI:SS'), '') \
         || coalesce('; last archived ' || to_char(last_archived_time, 'YYYY-MM-DD HH24:MI:SS'), '; nothing archived yet') END, NULL, NULL FROM pg_stat_archiver, \
       (SELECT max(setting) FILTER (WHERE name = 'archive_mode') AS mode, coalesce(max(setting) FILTER (WHERE name = 'archive_command'), '') AS command, \
         coalesce(max(setting) FILTER (WHERE name = 'archive_library'), '') AS library FROM pg_settings) s",
)
.limits(3_600.0, 86_400.0, "seconds since the last file")
.fix("run archive_command by hand to see its error; the server's log has it too", "none");

pub(super) const WAL_SIZE: CheckSpec = postgres(
    "server.wal-size",
    "The write-ahead log on the server is much larger than configured.",
    "SELECT CASE WHEN bytes >= {c} * most THEN 'critical' WHEN bytes >= {w} * most THEN 'warning' ELSE 'ok' END, 'server', \
       'the log has ' || pg_size_pretty(bytes) || '; max_wal_size is ' || pg_size_pretty(most), NULL, NULL \
     FROM (SELECT sum(size)::bigint AS bytes, greatest(pg_size_bytes(current_setting('max_wal_size')), pg_size_bytes(current_setting('wal_keep_size'))) AS most FROM pg_ls_waldir()) w",
)
.limits(2.0, 5.0, "times max_wal_size")
.fix("see server.replication-slots and server.archiver", "none");

pub(super) const CHECKPOINTS: CheckSpec = CheckSpec {
    look: crate::doctor::check::Look::Versions(CHECKPOINTS_BEFORE_17, CHECKPOINTS_FROM_17),
    ..postgres("server.checkpoints", "Checkpoints are forced by the volume of the log, and slow down writes.", "")
        .limits(50.0, 101.0, "percent forced")
        .warns()
        .fix("ALTER SYSTEM SET max_wal_size = '4GB', then SELECT pg_reload_conf()", "none")
};

const CHECKPOINTS_BEFORE_17: &str = "SELECT CASE WHEN forced * 100 >= {w} * total AND total >= 20 THEN 'warning' ELSE 'ok' END, 'server', \
     forced || ' of ' || total || ' checkpoints were forced', NULL, NULL FROM (SELECT checkpoints_req AS forced, checkpoints_req + checkpoints_timed AS total FROM pg_stat_bgwriter) b";

const CHECKPOINTS_FROM_17: &str = "SELECT CASE WHEN forced * 100 >= {w} * total AND total >= 20 THEN 'warning' ELSE 'ok' END, 'server', \
     forced || ' of ' || total || ' checkpoints were forced', NULL, NULL FROM (SELECT num_requested AS forced, num_requested + num_timed AS total FROM pg_stat_checkpointer) b";
