//! The database roles of the tenant, identity and platform units, with their rights.
//!
//! Roles belong to the whole server, and not every login may create them. Each step therefore checks first, does what
//! the login may do, and leaves the rest to a later deploy (`row_security.rs`). Other databases of the server may do the same
//! concurrently.

use crate::migrations::Migration;
use crate::step::{Engine, Step};

/// Creates the roles, and lets the login and the table owner assume them.
const ROLES: &str = include_str!("m20261123_000007_create_door_roles/roles.sql");

/// Returns whether the table owner, who runs the steps, can assume every unit's role. Otherwise a forced policy would
/// hide all rows from the owner.
pub(crate) const DOORS_OPEN: &str = "4 = (SELECT count(*) FROM pg_roles WHERE rolname IN ('rylie_tenant', 'rylie_identity', 'rylie_platform', 'rylie_doors') \
     AND pg_has_role(current_user, oid, 'MEMBER'))";

/// A unit's role and its rights. No role may truncate a table, refer to it or add a trigger to it.
struct UnitRole {
    role: &'static str,
    rights: &'static [(&'static str, &'static [&'static str])],
}

const ALL: &str = "SELECT, INSERT, UPDATE, DELETE";

/// Every role may at most add to the audit log and read it; none may change it.
const UNIT_ROLES: [UnitRole; 3] = [
    UnitRole {
        role: "rylie_tenant",
        rights: &[
            (
                ALL,
                &[
                    "User",
                    "Request",
                    "Task",
                    "SEOWorksTaskMapping",
                    "GA4Connection",
                    "SearchConsoleConnection",
                    "UserPreferences",
                    "MonthlyUsage",
                ],
            ),
            ("SELECT, UPDATE", &["Agency"]),
            ("SELECT, INSERT", &["AuditLog"]),
        ],
    },
    UnitRole {
        role: "rylie_identity",
        rights: &[
            // The identity role may only confirm a user's address; it can change neither role nor agency.
            ("SELECT, INSERT, UPDATE (\"emailVerified\", \"updatedAt\")", &["User"]),
            (ALL, &["Account", "Session", "VerificationToken"]),
            ("INSERT", &["AuditLog"]),
        ],
    },
    UnitRole {
        role: "rylie_platform",
        rights: &[
            (
                ALL,
                &[
                    "Agency",
                    "User",
                    "Account",
                    "Session",
                    "VerificationToken",
                    "UserPreferences",
                    "Request",
                    "Task",
                    "SEOWorksTaskMapping",
                    "GA4Connection",
                    "SearchConsoleConnection",
                    "MonthlyUsage",
                    "SystemSettings",
                ],
            ),
            ("SELECT, INSERT", &["AuditLog"]),
        ],
    },
];

pub(crate) struct CreateDoorRoles;

impl Migration for CreateDoorRoles {
    fn name(&self) -> &'static str {
        "m20261123_000007_create_door_roles"
    }

    fn up(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => std::iter::once(Step::sql(ROLES)).chain(UNIT_ROLES.iter().map(grant)).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    /// Keeps the roles: other databases of the server may use them, and without rights they are harmless.
    fn down(&self, engine: Engine) -> Vec<Step> {
        match engine {
            Engine::Postgres => UNIT_ROLES.iter().map(revoke).collect(),
            Engine::Sqlite => Vec::new(),
        }
    }

    fn builds_row_security(&self) -> bool {
        true
    }
}

/// Grants exactly these rights, and revokes those granted by hand.
fn grant(unit_role: &UnitRole) -> Step {
    let UnitRole { role, rights } = unit_role;
    let grants = rights.iter().map(|(rights, tables)| format!("GRANT {rights} ON {} TO {role};", list(tables)));
    let grants = grants.collect::<Vec<_>>().join(" ");
    Step::sql(format!(
        "DO $$ BEGIN IF {DOORS_OPEN} THEN {} GRANT USAGE ON SCHEMA public TO {role}; {grants} END IF; END $$",
        revoke_all(unit_role)
    ))
}

fn revoke(unit_role: &UnitRole) -> Step {
    let role = unit_role.role;
    Step::sql(format!(
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN {} REVOKE USAGE ON SCHEMA public FROM {role}; END IF; END $$",
        revoke_all(unit_role)
    ))
}

fn revoke_all(unit_role: &UnitRole) -> String {
    let tables: Vec<&str> = unit_role.rights.iter().flat_map(|(_, tables)| tables.iter().copied()).collect();
    format!("REVOKE ALL ON {} FROM {};", list(&tables), unit_role.role)
}

fn list(tables: &[&str]) -> String {
    tables.iter().map(|table| format!("\"{table}\"")).collect::<Vec<_>>().join(", ")
}
