//! The texts of audit records: their places, and the values that an import stores.

use rylie_audit::Text;
use sea_orm::Value;
use serde_json::Value as Json;

use crate::audit::{DETAILS, TEXTS, spelled};

/// The name of the log.
pub(super) const LOG: &str = "AuditLog";

/// The columns of a record whose null counts as the empty text.
const REQUIRED: [&str; 5] = ["id", "tenantId", "action", "resource", "userId"];

/// Returns the place of a text of a record; `None` for another column.
pub(super) fn place(name: &str) -> Option<usize> {
    if name == "details" { Some(DETAILS) } else { TEXTS.iter().position(|text| *text == name) }
}

/// Returns the value to store for one of an export; `None` if it is no text.
pub(super) fn stored(name: &str, json: &Json) -> Option<Value> {
    let text = match json {
        Json::Null => return Some(REQUIRED.contains(&name).then(String::new).into()),
        _ => serde_json::from_value::<Text>(json.clone()).ok()?,
    };
    // The text itself is in no export.
    Some(text.long().map(spelled).or_else(|| text.whole().map(str::to_owned)).into())
}
