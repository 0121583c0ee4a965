//! Users of the signed-in user's agency.

use rylie_axum::{Answer, PathId, Problem, TenantWrite};
use rylie_db::prelude::*;
use serde::Deserialize;

/// The new role of a user.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    role: UserRole,
}

/// Administrators only. Recorded with the old and the new role.
pub(crate) async fn set_role(PathId(id): PathId<UserId>, write: TenantWrite<NewRole>) -> Result<Answer, Problem> {
    write.run(|unit, new| async move { Answer::ok(&unit.users().set_role(&id, new.role).await?) }).await
}
