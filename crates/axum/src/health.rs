//! Routes for the platform that runs the service: health, readiness, metrics.

use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rylie_db::Database;

use crate::problem::{Problem, ProblemKind};

/// The longest answer of a readiness probe.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// The question of a readiness probe.
pub trait Probe: Clone + Send + Sync + 'static {
    /// Succeeds if the service can answer calls. Any error is answered with 503.
    fn ready(&self) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// A database is ready if it answers and has every migration of this version. It is asked by the pool: no connection
/// more, two round trips.
impl Probe for Database {
    async fn ready(&self) -> Result<(), Problem> {
        if self.is_migrated().await? {
            return Ok(());
        }
        Err(Problem::new(ProblemKind::NotReady, "migrations are pending"))
    }
}

/// Returns the routes `/health` and `/ready`.
///
/// `/health` says that the process runs, and asks nothing: a database that is away is no reason to restart the service.
/// `/ready` asks the probe for 5 seconds at most, and answers 200 or 503.
pub fn health_routes<P: Probe, S: Clone + Send + Sync + 'static>(probe: P) -> Router<S> {
    let ready = move || async move {
        match tokio::time::timeout(PROBE_LIMIT, probe.ready()).await {
            Ok(Ok(())) => "ready".into_response(),
            Ok(Err(problem)) => {
                tracing::warn!(kind = problem.kind(), "not ready");
                Problem::new(ProblemKind::NotReady, "the database does not serve calls now").into_response()
            }
            Err(_) => Problem::new(ProblemKind::NotReady, "the database does not answer in time").into_response(),
        }
    };
    Router::new().route("/health", get(|| async { "healthy" })).route("/ready", get(ready))
}

/// Returns the route `/metrics`. `render` returns the text that the service's recorder has, in the format of Prometheus.
/// Serve it on an address that clients do not reach.
pub fn metrics_route<S: Clone + Send + Sync + 'static>(
    render: impl Fn() -> String + Clone + Send + Sync + 'static,
) -> Router<S> {
    let metrics = move || async move { metrics_of(render()) };
    Router::new().route("/metrics", get(metrics))
}

fn metrics_of(text: String) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
