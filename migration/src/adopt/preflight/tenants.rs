//! Agencies whose ids would be the tenant key of others.

use super::{DOING, PreflightFinding, blocking};
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::step::Target;

/// The keys of a user without an agency and of the platform are not an agency's, and no tenant key is empty.
const SQL: &str = "SELECT string_agg(format('%L', id), ', ' ORDER BY id) FROM (SELECT id FROM \"Agency\" \
     WHERE id IN ('', 'platform') OR starts_with(id, 'user:') ORDER BY id LIMIT 5) AS taken WHERE $1 = ''";

pub(super) async fn read(connection: &mut Connection) -> Result<Option<PreflightFinding>> {
    if !connection.has_table("Agency").await.map_err(Error::doing(DOING))? {
        return Ok(None);
    }
    let found = connection.text(SQL, "").await.map_err(Error::doing(DOING))?;
    Ok(found.map(|ids| PreflightFinding {
        fix: "give them other ids in the old service first".to_owned(),
        ..blocking("agency-ids", &format!("agencies have ids that are the tenant key of others: {ids}"))
    }))
}
