//! Whose the objects are, and who may make others beside them.

use super::Deviation;
use crate::connection::Connection;
use crate::error::Result;
use crate::owners;

const LOOK_FIRST: &str =
    "look at what it does, and at what it was used for, before anything is mended; it takes a superuser";

/// Objects and code of others, and rights to make more of them.
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
            note: Some("who may create there can shadow what statements call; the schema's owner revokes it, and a database's owner has it by owning"),
        });
    }
    Ok(deviations)
}
