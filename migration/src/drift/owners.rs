//! Deviations of ownership: who owns objects, and who may create others under our names.

use super::Deviation;
use crate::connection::Connection;
use crate::error::Result;
use crate::owners;

const LOOK_FIRST: &str = "inspect what it does and how it was used before you fix anything; the fix needs a superuser";

/// Returns objects and code of other roles, and rights to create more of them.
pub(super) async fn deviations(connection: &mut Connection) -> Result<Vec<Deviation>> {
    let mut deviations = Vec::new();
    for stranger in owners::strangers(connection).await? {
        deviations.push(Deviation {
            object: format!("owner of {}", stranger.object),
            expected: stranger.expected,
            found: stranger.owner,
            fix: vec![stranger.fix],
            note: Some(LOOK_FIRST),
        });
    }
    for creator in owners::creators(connection).await? {
        deviations.push(Deviation {
            object: format!("right of {creator} to create in schema public"),
            expected: "none".to_owned(),
            found: "CREATE".to_owned(),
            fix: vec![format!("REVOKE CREATE ON SCHEMA public FROM {creator}")],
            note: Some("a role with this right can shadow what statements call; the schema's owner revokes it; a database's owner has it by ownership"),
        });
    }
    Ok(deviations)
}
