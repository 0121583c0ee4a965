//! Protection of cookie sessions against calls from other sites (CSRF).

use axum::http::Method;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;

use crate::problem::{Problem, ProblemKind};
use crate::web::Settings;

/// Refuses a write that another site's page may have caused. `SameSite` on the cookie is the first protection; this is
/// the second, and does not depend on the browser's treatment of cookies.
///
/// A browser sends `Origin` with every write. It must be the service's host or an allowed origin. Without one,
/// `Sec-Fetch-Site` must say that the page is of the same origin.
pub(crate) fn refuse_cross_site(parts: &Parts, settings: &Settings) -> Result<(), Problem> {
    if matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    // Two values are none: a proxy and this service could each read another one.
    let text = |name: &str| {
        let mut values = parts.headers.get_all(name).iter();
        values.next().and_then(|value| value.to_str().ok()).filter(|_| values.next().is_none())
    };
    let allowed = match text(ORIGIN.as_str()) {
        Some(origin) => {
            is_own(origin, host(parts)) || settings.allowed_origins.iter().any(|own| own.eq_ignore_ascii_case(origin))
        }
        None => !parts.headers.contains_key(ORIGIN) && text("sec-fetch-site") == Some("same-origin"),
    };
    if allowed {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::CrossSite, "a write with a session cookie must come from a page of this service"))
}

fn host(parts: &Parts) -> Option<&str> {
    let authority = parts.uri.authority().map(axum::http::uri::Authority::as_str);
    authority.or_else(|| parts.headers.get(HOST).and_then(|host| host.to_str().ok()))
}

/// Compares host and port. The scheme may differ, because a proxy may end TLS.
fn is_own(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}
