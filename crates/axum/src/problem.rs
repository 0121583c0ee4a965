//! Errors as problem details (RFC 9457).

use std::error::Error as StdError;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::not_stored::not_stored;

/// The kinds of problems that this crate reports itself. Errors of units have the kinds of
/// [`rylie_db::repositories::Error::kind`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// 400: a header, a parameter or the body is malformed.
    Malformed,
    /// 401: no credential, or one that signs no user in.
    NotSignedIn,
    /// 403: a write with a session cookie comes from another site.
    CrossSite,
    /// 404: no such route.
    NoRoute,
    /// 405: the route has no such method.
    NoMethod,
    /// 408: the body took too long to arrive.
    SlowBody,
    /// 412: the row has changed since the client read it.
    Changed,
    /// 413: the body is too long.
    TooLarge,
    /// 415: the body is not JSON.
    NotJson,
    /// 500: an error of the service.
    Internal,
    /// 503: the service is not ready.
    NotReady,
}

impl ProblemKind {
    /// Returns the name, the status and the title.
    const fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "The call is malformed"),
            Self::NotSignedIn => ("not-signed-in", StatusCode::UNAUTHORIZED, "Not signed in"),
            Self::CrossSite => ("cross-site", StatusCode::FORBIDDEN, "The call comes from another site"),
            Self::NoRoute => ("no-route", StatusCode::NOT_FOUND, "There is no such route"),
            Self::NoMethod => ("no-method", StatusCode::METHOD_NOT_ALLOWED, "The route has no such method"),
            Self::SlowBody => ("slow-body", StatusCode::REQUEST_TIMEOUT, "The body took too long"),
            Self::Changed => ("changed", StatusCode::PRECONDITION_FAILED, "The row has changed"),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too long"),
            Self::NotJson => ("not-json", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "The service failed"),
            Self::NotReady => ("not-ready", StatusCode::SERVICE_UNAVAILABLE, "The service is not ready"),
        }
    }
}

/// An error as a client sees it: `application/problem+json`. It contains no text of the database or of the service.
///
/// Every error of a unit becomes one by `?`. Errors of the service (500 and above) are logged with their causes, and the
/// answer has only the correlation id.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// The stable name of the problem: `urn:rylie:problem:not-found`.
    #[serde(rename = "type")]
    kind: String,
    /// The problem in a few words; the same for each of its kind.
    title: String,
    /// The HTTP status code.
    status: u16,
    /// This case: what failed and what to do.
    detail: String,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// The prefix of the names of all problems.
const PREFIX: &str = "urn:rylie:problem:";

impl Problem {
    /// Creates a problem of a kind with the details of this case.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let (name, status, title) = kind.parts();
        Self {
            kind: format!("{PREFIX}{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// Creates a problem of the service's own. `kind` is an absolute URI that stays the same.
    #[must_use]
    pub fn other(kind: &str, status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        let (kind, title) = (kind.to_owned(), title.to_owned());
        Self { kind, title, status: status.as_u16(), detail: detail.into(), retry_after: None }
    }

    /// Logs an error of the service and creates the problem that hides it.
    pub fn internal(error: &(dyn StdError + 'static)) -> Self {
        log(error);
        Self::new(ProblemKind::Internal, "the service failed to answer; its log has the reason")
    }

    /// Says after which time the client may repeat the call.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Returns the stable name.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn log(error: &(dyn StdError + 'static)) {
    let mut causes = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        next = cause.source();
    }
    tracing::error!(error = causes, "a call failed");
}

impl From<rylie_db::repositories::Error> for Problem {
    fn from(error: rylie_db::repositories::Error) -> Self {
        if error.status() >= 500 {
            log(&error);
        }
        Self {
            kind: format!("{PREFIX}{}", error.kind()),
            title: title(error.kind()).to_owned(),
            status: error.status(),
            detail: error.public_message(),
            retry_after: error.retry_after(),
        }
    }
}

impl From<rylie_db::Error> for Problem {
    fn from(error: rylie_db::Error) -> Self {
        match error {
            rylie_db::Error::Repository(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}

impl From<rylie_db::entities::InvalidId> for Problem {
    fn from(error: rylie_db::entities::InvalidId) -> Self {
        rylie_db::repositories::Error::from(error).into()
    }
}

impl From<rylie_db::entities::UnknownLabel> for Problem {
    fn from(error: rylie_db::entities::UnknownLabel) -> Self {
        malformed(error.to_string())
    }
}

fn title(kind: &str) -> &'static str {
    match kind {
        "not-found" => "Not found",
        "conflict" => "The value exists already",
        "reference" => "A reference is violated",
        "invalid" => "A value is not acceptable",
        "quota-exceeded" => "The package allows no more",
        "not-signed-in" => "Not signed in",
        "idempotency-key-reused" => "The idempotency key was used for another call",
        "forbidden" | "protected" => "Not permitted",
        "busy" | "contention" | "unavailable" => "The service cannot answer now",
        "timeout" => "The call took too long",
        "outcome-unknown" => "The outcome is unknown",
        _ => "The service failed",
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        not_stored(headers);
        if let Some(wait) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Malformed input, found by an extractor.
pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Malformed, detail)
}

/// Answers 404 as a problem: `Router::fallback(rylie_axum::no_route)`.
pub async fn no_route() -> Problem {
    Problem::new(ProblemKind::NoRoute, "there is no such path")
}

/// Answers 405 as a problem: `Router::method_not_allowed_fallback(rylie_axum::no_method)`.
pub async fn no_method() -> Problem {
    Problem::new(ProblemKind::NoMethod, "the path exists, and takes other methods")
}
