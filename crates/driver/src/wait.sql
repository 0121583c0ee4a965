-- One JSON document: the sessions that block the process, and the phase of its statement.
SELECT json_build_object(
    'blockers', coalesce((
        SELECT json_agg($columns ORDER BY a.xact_start)
        FROM (SELECT DISTINCT unnest(pg_blocking_pids($process)) AS pid) p LEFT JOIN pg_stat_activity a ON a.pid = p.pid
    ), '[]'),
    'phase', step.phase,
    'percent', CASE WHEN step.total > 0 THEN 100 * step.done / step.total END
)::text
FROM (SELECT) one LEFT JOIN (
    SELECT phase, CASE WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END AS done,
        CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END AS total
    FROM pg_stat_progress_create_index WHERE pid = $process
    UNION ALL
    SELECT phase, sample_blks_scanned, sample_blks_total FROM pg_stat_progress_analyze WHERE pid = $process
    UNION ALL
    SELECT phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum WHERE pid = $process
) step ON true
LIMIT 1
