//! Which roles are ours, and which logins are provisioned.

use rylie_driver::literal;

/// The roles of units and of the sealer, which the migrations create. They belong to the server and may all be missing.
pub(crate) const UNIT_ROLES: [&str; 5] =
    ["rylie_tenant", "rylie_identity", "rylie_platform", "rylie_doors", "rylie_sealer"];

/// Whether the role `r` is a login that was provisioned in this database: a policy names it.
pub(crate) const PROVISIONED: &str = "EXISTS (SELECT FROM pg_policy p WHERE r.oid = ANY (p.polroles) AND p.polcmd = 'r' AND p.polname ~ '^rylie_(login|reader)_')";

/// Our roles: those of units and of the sealer, and the one that verifies the audit log.
pub(super) fn our_roles() -> impl Iterator<Item = &'static str> {
    UNIT_ROLES.into_iter().chain(["rylie_auditor"])
}

/// Returns our roles as a list of literals.
pub(crate) fn our_roles_list() -> String {
    our_roles().map(literal).collect::<Vec<_>>().join(", ")
}
