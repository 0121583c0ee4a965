//! A span, a log line and a metric for each call, and the correlation id.

use std::panic::AssertUnwindSafe;
use std::task::Poll;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rylie_db::prelude::*;
use tracing::Instrument;

use crate::not_stored::not_stored;
use crate::problem::Problem;

/// The header with the correlation id, in calls and answers.
pub const CORRELATION_ID: &str = "x-request-id";

/// The longest id that is accepted from a caller, in bytes. The audit log stores as many.
const LONGEST_ID: usize = 128;

/// The metric with the duration of each call, by OpenTelemetry's conventions.
const DURATION: &str = "http.server.request.duration";

/// The correlation id of a call, for extractors.
#[derive(Clone, Debug)]
pub(crate) struct Correlation(pub(crate) String);

/// The layer of each call: `Router::layer(axum::middleware::from_fn(rylie_axum::telemetry))`.
///
/// - The correlation id comes from `X-Request-Id` if that has 1 to 128 visible ASCII characters; otherwise it is new. The
///   answer has it, and the audit records of the call's unit.
/// - A span `http.request` has method, route template, status and correlation id. Paths and queries are not in it,
///   because they contain values.
/// - The metric `http.server.request.duration` has method, route template and status.
/// - A call whose client disconnects is counted with status 499. A handler that panics gets 500.
/// - An answer has `Cache-Control: no-store` and `X-Content-Type-Options: nosniff`, unless the handler set its own.
pub async fn telemetry(mut request: Request, next: Next) -> Response {
    let id = correlation_of(request.headers());
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    // Of the level of errors, so that each logged error has the correlation id whatever the filter is.
    let span = tracing::error_span!(
        "http.request",
        "otel.kind" = "server",
        "http.request.method" = method(&request),
        "http.route" = route.as_deref(),
        "http.response.status_code" = tracing::field::Empty,
        correlation = id,
    );
    let mut call = Call { method: method(&request), route, began: Instant::now(), status: CLOSED, span: span.clone() };
    request.extensions_mut().insert(Correlation(id.clone()));
    let mut response = answered(next.run(request)).instrument(span).await;
    call.status = response.status().as_u16();
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(CORRELATION_ID, id);
    }
    not_stored(response.headers_mut());
    response
}

/// The answer of a handler; of one that panicked 500. Its unit is rolled back.
async fn answered(handling: impl Future<Output = Response>) -> Response {
    let mut handling = std::pin::pin!(handling);
    let unwinding = std::future::poll_fn(|context| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    match unwinding.await {
        Some(response) => response,
        None => Problem::internal(&Panicked).into_response(),
    }
}

/// A handler panicked. The panic's own message is on standard error, where its hook writes.
#[derive(Debug)]
struct Panicked;

impl std::fmt::Display for Panicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a handler panicked")
    }
}

impl std::error::Error for Panicked {}

/// The status of a call whose client disconnected.
const CLOSED: u16 = 499;

/// A running call. It is reported when it ends or is dropped.
struct Call {
    method: &'static str,
    route: Option<String>,
    began: Instant,
    status: u16,
    span: tracing::Span,
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.span.record("http.response.status_code", self.status);
        self.span.in_scope(|| tracing::info!(status = self.status, ?took, "answered"));
        let route = self.route.take().unwrap_or_else(|| "unmatched".to_owned());
        let labels = [
            ("http.request.method", self.method.to_owned()),
            ("http.route", route),
            ("http.response.status_code", self.status.to_string()),
        ];
        metrics::histogram!(DURATION, &labels).record(took);
    }
}

/// Returns the method if it is a known one, so that a client cannot create metrics.
fn method(request: &Request) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| request.method().as_str() == *known)
        .unwrap_or("_OTHER")
}

fn correlation_of(headers: &HeaderMap) -> String {
    let given = headers.get(CORRELATION_ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    given.filter(fits).map_or_else(|| SystemEnv.new_id(), str::to_owned)
}
