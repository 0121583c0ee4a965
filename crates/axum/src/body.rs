//! Reading a body: within a limit, within a time, and before any unit opens.

use std::error::Error as StdError;

use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, ProblemKind, malformed};
use crate::web::Settings;

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
        return Err(Problem::new(ProblemKind::NotJson, "send `Content-Type: application/json`"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let detail: String = error.to_string().chars().take(LONGEST_DETAIL).collect();
        malformed(format!("the body is not what this call takes: {detail}"))
    })
}

fn is_json(parts: &Parts) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
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
