//! Users and their rights.

use crate::doctor::check::{CheckSpec, Need, both};

pub(super) const WITHOUT_AGENCY: CheckSpec = both(
    "application.users-without-agency",
    "Users belong to no agency, so each is a tenant with one user.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'table User', n || ' users other than super admins have no agency', NULL, NULL \
     FROM (SELECT count(*) AS n FROM \"User\" WHERE \"agencyId\" IS NULL AND CAST(role AS text) <> 'SUPER_ADMIN') AS u",
)
.limits(1.0, 1_000_000.0, "users")
.needs(&[Need::Table("User"), Need::EveryTenant])
.warns()
.fix("give each an agency in the application, or raise this threshold", "ROW EXCLUSIVE on their rows");

pub(super) const SUPER_ADMINS: CheckSpec = both(
    "application.super-admins",
    "The number of super admins, who reach every tenant, is not as small as it should be.",
    "SELECT CASE WHEN n >= {c} THEN 'critical' WHEN n >= {w} THEN 'warning' ELSE 'ok' END, 'table User', n || ' super admins', NULL, NULL \
     FROM (SELECT count(*) AS n FROM \"User\" WHERE CAST(role AS text) = 'SUPER_ADMIN') AS u",
)
.limits(2.0, 10.0, "super admins")
.needs(&[Need::Table("User"), Need::EveryTenant])
.fix("lower the role of those who do not need it; `rylie audit list` shows who granted it", "ROW EXCLUSIVE on their rows");

pub(super) const TENANT_KEY: CheckSpec = both(
    "application.tenant-key",
    "A user's row is in another tenant than the user's agency.",
    "SELECT 'critical', 'table User', count(*) || ' users have another tenant key than their agency', NULL, NULL FROM \"User\" WHERE \"tenantId\" <> coalesce(\"agencyId\", 'user:' || id) HAVING count(*) > 0",
)
.healthy("every user is in the tenant of the user's agency")
.needs(&[Need::Table("User"), Need::EveryTenant])
.fix("rylie drift, for the missing trigger or check; then set \"agencyId\" again", "ROW EXCLUSIVE on their rows");

pub(super) const API_KEYS: CheckSpec = both(
    "application.api-keys",
    "Users have an API key without a blind index, so they cannot sign in with it.",
    "SELECT CASE WHEN d.state = 'coexistence' THEN 'ok' ELSE 'warning' END, 'table User', n || ' API keys have no blind index', 'rylie keys reencrypt', 'ROW EXCLUSIVE; readers and writers continue' \
     FROM (SELECT count(*) AS n FROM \"User\" WHERE \"apiKey\" IS NOT NULL AND \"apiKeyIndex\" IS NULL) AS u CROSS JOIN rylie_database d WHERE n > 0",
)
.healthy("every API key has a blind index, or the old service still shares the database")
.needs(&[Need::Table("User"), Need::EveryTenant])
.warns()
.fix("rylie keys reencrypt", "ROW EXCLUSIVE; readers and writers continue");
