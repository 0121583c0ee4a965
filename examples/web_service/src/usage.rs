//! The webhook that reports usage.

use rylie_axum::{Answer, Problem, TenantWrite};
use rylie_db::prelude::*;
use serde::Deserialize;

/// One use of a package.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Use {
    /// The sender's key. A repeated delivery of it is counted once.
    event: String,
    user_id: UserId,
    #[serde(rename = "type")]
    kind: TaskType,
}

/// Counts one use, once for each event. The sender signs in with an API key of the agency.
pub(crate) async fn report(write: TenantWrite<Use>) -> Result<Answer, Problem> {
    write
        .run(|unit, new| async move { Answer::ok(&unit.usage().use_one(&new.user_id, new.kind, &new.event).await?) })
        .await
}
