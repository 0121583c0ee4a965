//! Isolation of the tenants, as the catalog shows it, and as an active probe shows it.

mod definers;
mod exposure;
mod keys;
mod logins;
mod policies;
mod probe;

use super::check::{CheckSpec, Look, Need, by_code};

pub(super) use probe::{probe_identity, probe_platform, probe_tenant};

/// The fix of a probe: the cause is one of the other findings.
const PROBE_FIX: (&str, &str) = ("fix the other findings of this group; `rylie drift` shows the statements", "none");

const fn probe(id: &'static str, meaning: &'static str) -> CheckSpec {
    by_code(id, meaning, Look::PostgresCode).needs(&[Need::Table("User"), Need::Primary]).fix(PROBE_FIX.0, PROBE_FIX.1)
}

pub(super) static CHECKS: [CheckSpec; 33] = [
    policies::ROW_SECURITY,
    policies::FORCED,
    policies::POLICY,
    policies::PERMISSIVE,
    policies::WITH_CHECK,
    policies::RULES,
    keys::TENANT_COLUMN,
    keys::TENANT_NULLABLE,
    keys::TENANT_INDEX,
    keys::COMPOSITE_KEYS,
    definers::FUNCTIONS,
    definers::SEARCH_PATH,
    definers::OWNERS,
    definers::VIEWS,
    definers::MATERIALIZED_VIEWS,
    definers::PARTITIONS,
    definers::EVENT_TRIGGERS,
    exposure::PUBLIC_GRANTS,
    exposure::DEFAULT_PRIVILEGES,
    exposure::SCHEMA_CREATE,
    exposure::PUBLICATIONS,
    exposure::AUDIT_RIGHTS,
    exposure::SESSION_DEFAULTS,
    by_code(
        "isolation.grants",
        "A role has a right on our tables that the migrations do not grant.",
        Look::PostgresCode,
    )
    .fix("rylie migrate deploy; `rylie drift` shows the statements", "ACCESS EXCLUSIVE for a moment"),
    logins::SUPERUSERS,
    logins::BYPASS,
    logins::SERVICE,
    logins::UNIT_ROLES,
    logins::PROVISIONED,
    logins::UNRECORDED,
    probe("isolation.probe-tenant", "The tenant role reads or writes rows of another tenant."),
    probe("isolation.probe-identity", "The identity role reads or writes rows that belong to tenant units."),
    probe("isolation.probe-platform", "The platform role may change evidence or the environment marker."),
];
