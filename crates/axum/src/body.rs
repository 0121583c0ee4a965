//! Reading a body: within a limit, within a time, and before any unit opens.

use std::error::Error as StdError;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::objects_only;
use crate::problem::{Problem, ProblemKind, malformed};
use crate::web::{Settings, Web, web_of};

/// The longest detail of a refused body, in characters: it may repeat a part of the body.
const LONGEST_DETAIL: usize = 300;

pub(crate) async fn read_body(body: Body, settings: &Settings) -> Result<Vec<u8>, Problem> {
    let read = tokio::time::timeout(settings.body_timeout, to_bytes(body, settings.body_limit)).await;
    match read {
        Err(_) => Err(Problem::new(ProblemKind::SlowBody, "send the body faster, or less of it")),
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if is_too_long(&error) => {
            let detail = format!("a body has at most {} bytes", settings.body_limit);
            Err(Problem::new(ProblemKind::TooLarge, detail))
        }
        Ok(Err(_)) => Err(malformed("the body ended before it was complete")),
    }
}

/// Parses a body of JSON. An empty one is `null`, the body of `()`.
pub(crate) fn parse_body<B: DeserializeOwned>(parts: &Parts, bytes: &[u8]) -> Result<B, Problem> {
    if bytes.is_empty() {
        return serde_json::from_slice(b"null").map_err(|_| malformed("the call needs a body of JSON"));
    }
    if !is_json(parts) {
        return Err(Problem::new(
            ProblemKind::NotJson,
            "send `Content-Type: application/json` in UTF-8, without `Content-Encoding`",
        ));
    }
    // Clients send an empty object where a call takes nothing.
    let nothing = || if bytes == b"{}" { serde_json::from_slice(b"null").ok() } else { None };
    objects_only::from_slice(bytes).or_else(|error| nothing().ok_or(error)).map_err(|error| {
        let detail: String = error.to_string().chars().take(LONGEST_DETAIL).collect();
        malformed(format!("the body is not what this call takes: {detail}"))
    })
}

fn is_json(parts: &Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let mut parameters = kind.split(';').map(|part| part.trim().to_ascii_lowercase());
    let kind = parameters.next().unwrap_or_default();
    let is_json = kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"));
    let is_utf_8 = parameters
        .filter_map(|parameter| {
            let (name, charset) = parameter.split_once('=')?;
            (name.trim() == "charset").then(|| charset.trim().trim_matches('"').to_owned())
        })
        .all(|charset| ["utf-8", "utf8", "us-ascii"].contains(&charset.as_str()));
    let is_plain = parts.headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity");
    is_json && is_utf_8 && is_plain
}

/// A body of JSON for a route that is open to strangers, such as the one that signs users in. It has the limits of
/// [`Web`]: size, time and type. [`TenantWrite`](crate::TenantWrite) reads its own body.
///
/// Refused with 413 if it is too long, and with 408 if it is too slow. Refused with 415 if it is not JSON, and with 400
/// if it does not fit the call.
#[derive(Clone, Debug)]
pub struct JsonBody<B>(pub B);

impl<B, S> FromRequest<S> for JsonBody<B>
where
    B: DeserializeOwned,
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(body, &web_of(state).settings).await?;
        parse_body(&parts, &bytes).map(Self)
    }
}

/// The limit's error is a cause of the body's.
fn is_too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}
