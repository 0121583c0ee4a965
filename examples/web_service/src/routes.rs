//! The routes.

use axum::routing::{get, post, put};
use axum::{Router, middleware};
use rylie_axum::{Web, health_routes};
use rylie_db::audit::TrustedProxies;
use rylie_db::prelude::*;

use crate::Result;
use crate::app::App;
use crate::{admin, connections, openapi, requests, sessions, usage, users};

/// Reads the networks of the proxies from the environment.
pub(crate) fn proxies() -> Result<TrustedProxies> {
    let networks = std::env::var("TRUSTED_PROXIES").unwrap_or_default();
    let networks = networks.split(',').map(str::trim).filter(|network| !network.is_empty());
    Ok(TrustedProxies::parse(networks).map_err(|error| format!("TRUSTED_PROXIES: {error}"))?)
}

pub(crate) fn router(database: &Database, proxies: TrustedProxies, is_first_look: bool) -> Router {
    let mut web = Web::new(database.store()).trusting(proxies);
    if is_first_look {
        // On localhost there is no HTTPS, which the default name of the cookie needs.
        web = web.with_session_cookie("session").without_https();
    }
    Router::new()
        .route("/api/requests", get(requests::list).post(requests::create))
        .route("/api/requests/status", post(requests::set_status))
        .route("/api/requests/{id}", get(requests::one).patch(requests::update).delete(requests::remove))
        .route("/api/requests/{id}/restore", post(requests::restore))
        .route("/api/connections/ga4", put(connections::save_ga4))
        .route("/api/users/{id}/role", put(users::set_role))
        .route("/api/session", post(sessions::sign_in).delete(sessions::sign_out))
        .route("/api/webhooks/usage", post(usage::report))
        .route("/api/admin/requests", get(admin::requests))
        .route("/openapi.json", get(openapi::document))
        .route("/docs", get(openapi::page))
        .merge(health_routes(database.clone()))
        .fallback(rylie_axum::no_route)
        .method_not_allowed_fallback(rylie_axum::no_method)
        .with_state(App { web })
        .layer(middleware::from_fn(rylie_axum::telemetry))
}
