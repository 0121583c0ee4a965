//! The origin of a call: the client's address through trusted proxies, its user agent, and the correlation id.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use rylie_db::prelude::*;

use crate::telemetry::Correlation;
use crate::web::{Web, web_of};

/// The origin of the call, for the audit log. Every extractor of a unit uses it.
///
/// The address needs `into_make_service_with_connect_info::<SocketAddr>()`; without it there is none.
#[derive(Clone, Debug)]
pub struct ClientOrigin(pub Origin);

impl<S> FromRequestParts<S> for ClientOrigin
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        Ok(Self(origin_of(parts, &web_of(state))))
    }
}

pub(crate) fn origin_of(parts: &Parts, web: &Web) -> Origin {
    let settings = &web.settings;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let forwarded = joined(&parts.headers, &settings.forwarded.name());
    let origin = peer.map(|peer| Origin::from_forwarded(peer, forwarded.as_deref(), &settings.proxies));
    Origin {
        user_agent: parts.headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned()),
        correlation: parts.extensions.get::<Correlation>().map(|Correlation(id)| id.clone()),
        ..origin.unwrap_or_default()
    }
}

/// Joins repeated headers by commas, in their order. An unreadable one becomes an entry that no proxy writes.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    (!values.is_empty()).then(|| values.join(","))
}
