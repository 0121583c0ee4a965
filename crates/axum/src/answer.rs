//! The answer of a write: it can be stored and given again.

use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rylie_db::repositories::MAX_ANSWER_BYTES;
use serde::{Deserialize, Serialize};

use crate::etag::etag_of_json;
use crate::not_stored::not_stored;
use crate::problem::Problem;

/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer of a successful call: a status and JSON. Everything else about it can be stored with an idempotency key,
/// in plain text, so an answer must not contain a secret.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Answer {
    status: u16,
    body: Option<String>,
    location: Option<String>,
    etag: Option<String>,
    /// The cookie of the write's position.
    #[serde(skip)]
    pub(crate) cookie: Option<HeaderValue>,
    #[serde(skip)]
    replayed: bool,
}

impl Answer {
    /// Answers 200 with JSON. Fails with [`Internal`](crate::ProblemKind::Internal) if the value cannot be written as
    /// JSON.
    pub fn ok<T: Serialize + ?Sized>(value: &T) -> Result<Self, Problem> {
        let body = serde_json::to_string(value).map_err(|error| Problem::internal(&error))?;
        Ok(Self { body: Some(body), ..Self::of(StatusCode::OK) })
    }

    /// Answers 201 with JSON and the path of the new row. Fails as [`ok`](Self::ok) does.
    pub fn created<T: Serialize + ?Sized>(location: impl Into<String>, value: &T) -> Result<Self, Problem> {
        let ok = Self::ok(value)?;
        Ok(Self { status: StatusCode::CREATED.as_u16(), location: Some(location.into()), ..ok })
    }

    /// Answers 204, without a body.
    #[must_use]
    pub fn empty() -> Self {
        Self::of(StatusCode::NO_CONTENT)
    }

    /// The answer without its body, which is too long to be stored.
    fn shortened(&self) -> Self {
        Self { body: None, ..self.clone() }
    }

    /// Adds the `ETag` of the body, for a later `If-Match`.
    #[must_use]
    pub fn with_etag(mut self) -> Self {
        self.etag = self.body.as_ref().map(|body| etag_of_json(body.as_bytes()));
        self
    }

    fn of(status: StatusCode) -> Self {
        Self { status: status.as_u16(), body: None, location: None, etag: None, cookie: None, replayed: false }
    }

    /// Returns the form that is stored with an idempotency key. A body that is too long for it is left out.
    pub(crate) fn to_stored(&self) -> Result<String, Problem> {
        let text = |answer: &Self| serde_json::to_string(answer).map_err(|error| Problem::internal(&error));
        let stored = text(self)?;
        if stored.len() > MAX_ANSWER_BYTES { text(&self.shortened()) } else { Ok(stored) }
    }

    pub(crate) fn of_stored(text: &str) -> Result<Self, Problem> {
        let answer: Self = serde_json::from_str(text).map_err(|error| Problem::internal(&error))?;
        Ok(Self { replayed: true, ..answer })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let has_body = self.body.is_some();
        let mut response = (status, self.body.unwrap_or_default()).into_response();
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, text) in [(LOCATION, self.location), (ETAG, self.etag)] {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        if self.replayed {
            headers.insert(REPLAYED, HeaderValue::from_static("true"));
        }
        not_stored(headers);
        if let Some(cookie) = self.cookie {
            headers.append(axum::http::header::SET_COOKIE, cookie);
        }
        response
    }
}
