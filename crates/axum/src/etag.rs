//! Entity tags: a client changes only the state that it has read.

use axum::http::HeaderMap;
use axum::http::header::IF_MATCH;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::problem::{Problem, ProblemKind};

/// Returns the strong entity tag of a value: a digest of its JSON. Fails with
/// [`Internal`](crate::ProblemKind::Internal) if the value cannot be written as JSON.
pub fn etag_of<T: Serialize + ?Sized>(value: &T) -> Result<String, Problem> {
    let json = serde_json::to_vec(value).map_err(|error| Problem::internal(&error))?;
    Ok(etag_of_json(&json))
}

pub(crate) fn etag_of_json(json: &[u8]) -> String {
    let digest = hex::encode(digest(&SHA256, json));
    format!("\"{}\"", &digest[..32])
}

/// Refuses the call with 412 if it has an `If-Match` that does not name the present state. Read that state with a lock,
/// such as [`get_for_update`](rylie_db::repositories::RequestRepository::get_for_update): otherwise another call may
/// change it afterwards. Fails with [`Changed`](crate::ProblemKind::Changed), and as [`etag_of`] does.
pub fn refuse_changed<T: Serialize + ?Sized>(if_match: Option<&str>, present: &T) -> Result<(), Problem> {
    let Some(wanted) = if_match else { return Ok(()) };
    let present = etag_of(present)?;
    // A weak tag never matches (RFC 9110, 13.1.1).
    if wanted.split(',').map(str::trim).any(|tag| tag == "*" || tag == present) {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::Changed, "it has changed since it was read; read it again, then repeat the change"))
}

/// Returns the value of `If-Match`. Repeated headers are joined, as lists are.
pub(crate) fn if_match_of(headers: &HeaderMap) -> Option<String> {
    let values: Vec<_> = headers.get_all(IF_MATCH).iter().map(|value| value.to_str().unwrap_or_default()).collect();
    (!values.is_empty()).then(|| values.join(","))
}
