//! Records that wait to be sealed.

use crate::doctor::check::{CheckSpec, Need, each};

pub(super) const BACKLOG: CheckSpec = each(
    "application.audit-backlog",
    "Audit records wait to be sealed, and until then their change is not noticed.",
    "SELECT CASE WHEN n >= 1000000 OR since < {before_c} THEN 'critical' WHEN n >= 100000 OR since < {before_w} THEN 'warning' WHEN n > 0 AND since IS NULL THEN 'not-checked' ELSE 'ok' END, 'audit log', \
       n || ' records wait' || CASE WHEN since IS NOT NULL THEN ', the first since ' || to_char(since, 'YYYY-MM-DD HH24:MI') WHEN n > 0 THEN ', and this login may not see since when' ELSE '' END || coalesce('; last sealed ' || to_char(sealed, 'YYYY-MM-DD HH24:MI'), '; never sealed'), NULL, NULL \
     FROM (SELECT (SELECT count(*) FROM (SELECT FROM public.rylie_audit_pending LIMIT 1000000) w) AS n, (SELECT max(sealed_at) FROM public.rylie_audit_batch) AS sealed, \
         (SELECT a.\"createdAt\" FROM (SELECT record_id FROM public.rylie_audit_pending ORDER BY position LIMIT 1) p JOIN \"AuditLog\" a ON a.id = p.record_id) AS since) b",
    "SELECT CASE WHEN n >= 1000000 OR since < {before_c} THEN 'critical' WHEN n >= 100000 OR since < {before_w} THEN 'warning' ELSE 'ok' END, 'audit log', \
       n || ' records wait' || coalesce(', the first since ' || since, '') || coalesce('; last sealed ' || sealed, '; never sealed'), NULL, NULL \
     FROM (SELECT (SELECT count(*) FROM rylie_audit_pending) AS n, (SELECT max(sealed_at) FROM rylie_audit_batch) AS sealed, \
         (SELECT a.\"createdAt\" FROM (SELECT record_id FROM rylie_audit_pending ORDER BY position LIMIT 1) p JOIN \"AuditLog\" a ON a.id = p.record_id) AS since) b",
)
.limits(2.0, 14.0, "days")
.needs(&[Need::Table("rylie_audit_pending")])
.fix("rylie audit seal, or the job `audit` with the setting audit_key", "none");
