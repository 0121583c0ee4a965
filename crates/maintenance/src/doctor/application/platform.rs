//! The state of the platform as a whole.

use crate::doctor::check::{CheckSpec, Need, both};

pub(super) const COEXISTENCE: CheckSpec = both(
    "application.coexistence",
    "The old service has shared the database for months, so policies are not forced on the table owner.",
    "SELECT CASE WHEN state = 'coexistence' AND adopted_at < {before_c} THEN 'critical' WHEN state = 'coexistence' AND adopted_at < {before_w} THEN 'warning' ELSE 'ok' END, 'database', \
       'its state is ' || state || ', its environment ' || environment, NULL, NULL FROM rylie_database",
)
.limits(90.0, 10_000.0, "days")
.needs(&[Need::Table("rylie_database")])
.warns()
.fix("stop the old service, then `rylie adopt --finish`", "ACCESS EXCLUSIVE for a moment per table");

pub(super) const SETTINGS: CheckSpec = both(
    "application.settings-row",
    "The platform's settings are missing, so defaults apply.",
    "SELECT CASE WHEN count(*) = 1 THEN 'ok' ELSE 'warning' END, 'table SystemSettings', count(*) || ' rows of settings', 'rylie seed', 'none' FROM \"SystemSettings\" WHERE id = 'default'",
)
.needs(&[Need::Table("SystemSettings"), Need::EveryTenant])
.warns()
.fix("rylie seed", "none");

pub(super) const MAINTENANCE_MODE: CheckSpec = both(
    "application.maintenance-mode",
    "The platform is in maintenance mode, so users are turned away.",
    "SELECT CASE WHEN \"maintenanceMode\" THEN 'warning' ELSE 'ok' END, 'table SystemSettings', CASE WHEN \"maintenanceMode\" THEN 'maintenanceMode is on' ELSE 'maintenanceMode is off' END, NULL, NULL FROM \"SystemSettings\"",
)
.needs(&[Need::Table("SystemSettings"), Need::EveryTenant])
.warns()
.fix("set maintenanceMode to false in the settings of the platform", "none");

pub(super) const AUDIT_LOGGING: CheckSpec = both(
    "application.audit-logging",
    "The audit log is switched off, so ordinary events are not recorded.",
    "SELECT CASE WHEN \"auditLogging\" THEN 'ok' ELSE 'critical' END, 'table SystemSettings', CASE WHEN \"auditLogging\" THEN 'auditLogging is on' ELSE 'auditLogging is off' END, NULL, NULL FROM \"SystemSettings\"",
)
.needs(&[Need::Table("SystemSettings"), Need::EveryTenant])
.fix("set auditLogging to true in the settings of the platform", "none");

pub(super) const THRESHOLDS: CheckSpec = both(
    "application.threshold-crossed",
    "A watched value is above its threshold.",
    "SELECT CASE WHEN crossed THEN 'warning' END, 'alert ' || name, 'is ' || CASE WHEN value >= 9223372036854775807 THEN 'without end' ELSE CAST(value AS text) END || ', above ' || threshold || ' since ' || changed_at, NULL, NULL FROM rylie_alerts WHERE name <> 'doctor_critical'",
)
.healthy("no watched value is above its threshold")
.needs(&[Need::Table("rylie_alerts"), Need::EveryTenant])
.warns()
.fix("rylie size; rylie backup list", "none");
