//! The OpenAPI document, and a page that shows it without any script from elsewhere.

use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use rylie_axum::{Problem, add_components};
use utoipa::openapi::OpenApi;

const PATHS: &str = include_str!("openapi.json");
const PAGE: &str = include_str!("docs.html");

pub(crate) async fn document() -> Result<Response, Problem> {
    let mut document: OpenApi = serde_json::from_str(PATHS).map_err(|error| Problem::internal(&error))?;
    add_components(&mut document)?;
    let json = document.to_json().map_err(|error| Problem::internal(&error))?;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE)
}
