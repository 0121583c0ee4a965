//! The service under test, and calls on it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use axum::routing::{get, patch, post};
use axum::{Router, middleware};
use rylie_axum::{
    Answer, CursorPaging, JsonBody, Paging, PathId, PlatformRead, PlatformWrite, Problem, RequestQuery, TenantRead,
    TenantWrite, Web, etag_of,
};
use rylie_db::audit::TrustedProxies;
use rylie_db::prelude::*;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) fn router(store: Arc<dyn Store>) -> Router {
    let web = Web::new(store)
        .trusting(TrustedProxies::parse(["10.0.0.0/8"]).unwrap())
        .with_session_cookie("session")
        .allowing_origin("https://app.example.com");
    Router::new()
        .route("/requests", get(list).post(create))
        .route("/requests/walk", get(walk))
        .route("/requests/{id}", patch(update).get(one).delete(remove))
        .route("/admin/requests", get(all))
        .route("/sign-in", post(sign_in))
        .route("/panics", get(panics))
        .route("/admin/agencies", post(agency))
        .fallback(rylie_axum::no_route)
        .method_not_allowed_fallback(rylie_axum::no_method)
        .with_state(web)
        .layer(middleware::from_fn(rylie_axum::telemetry))
}

async fn list(unit: TenantRead, filter: RequestQuery, paging: Paging) -> Result<Response, Problem> {
    Ok(paging.answer(&unit.requests().list(filter.0, paging.request()).await?))
}

async fn walk(unit: TenantRead, filter: RequestQuery, paging: CursorPaging) -> Result<Response, Problem> {
    Ok(paging.answer(&unit.requests().list_after(filter.0, paging.request()).await?))
}

async fn one(unit: TenantRead, PathId(id): PathId<RequestId>) -> Result<Answer, Problem> {
    let request = unit.requests().get(&id).await?;
    assert!(etag_of(&request)?.starts_with('"'));
    Ok(Answer::ok(&request)?.with_etag())
}

async fn create(write: TenantWrite<NewRequest>) -> Result<Answer, Problem> {
    write
        .run(|unit, new| async move {
            let request = unit.requests().add(new).await?;
            unit.audit().record(Event::new(Action::RequestCreated).on(&request.id)).await?;
            Answer::created(format!("/requests/{}", request.id), &request)
        })
        .await
}

async fn update(PathId(id): PathId<RequestId>, write: TenantWrite<RequestChanges>) -> Result<Answer, Problem> {
    write
        .run(|unit, changes| async move {
            unit.refuse_changed(&unit.requests().get_for_update(&id).await?)?;
            Ok(Answer::ok(&unit.requests().update(&id, changes).await?)?.with_etag())
        })
        .await
}

async fn remove(PathId(id): PathId<RequestId>, write: TenantWrite) -> Result<Answer, Problem> {
    write
        .run(|unit, ()| async move {
            unit.requests().remove(&id).await?;
            Ok(Answer::empty())
        })
        .await
}

async fn sign_in(JsonBody(body): JsonBody<NewRequest>) -> String {
    body.title
}

async fn panics(unit: TenantRead) -> String {
    let roles = [unit.user().role()];
    let number = roles.len();
    roles[number].to_string()
}

async fn all(unit: PlatformRead, filter: RequestQuery, paging: Paging) -> Result<Response, Problem> {
    Ok(paging.answer(&unit.requests().list(filter.0, paging.request()).await?))
}

async fn agency(write: PlatformWrite<NewAgency>) -> Result<Answer, Problem> {
    write
        .run(|unit, new| async move {
            let agency = unit.agency_administration().add(new).await?;
            Answer::created(format!("/admin/agencies/{}", agency.id), &agency)
        })
        .await
}

/// A call that is being built.
pub(crate) struct Call(axum::http::request::Builder, Body);

pub(crate) fn call(method: Method, path: &str) -> Call {
    Call(Request::builder().method(method).uri(path).header("host", "service.example"), Body::empty())
}

impl Call {
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }

    pub(crate) fn token(self, token: &Token) -> Self {
        self.header("authorization", &format!("Bearer {}", token.expose()))
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self(self.0.header("content-type", "application/json"), Body::from(body.to_string()))
    }

    pub(crate) fn body(self, body: impl Into<Body>) -> Self {
        Self(self.0, body.into())
    }

    pub(crate) fn by_peer(self, peer: &str) -> Self {
        let peer: SocketAddr = format!("{peer}:4711").parse().unwrap();
        Self(self.0.extension(ConnectInfo(peer)), self.1)
    }

    pub(crate) async fn on(self, router: &Router) -> Answered {
        let response = router.clone().oneshot(self.0.body(self.1).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 24).await.unwrap();
        let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answered { status: parts.status, headers: parts.headers, json }
    }
}

pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answered {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The type of a problem, without its prefix.
    pub(crate) fn problem(&self) -> &str {
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], self.status.as_u16());
        self.json["type"].as_str().unwrap().strip_prefix("urn:rylie:problem:").unwrap()
    }
}
