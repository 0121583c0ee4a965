//! The credential of a call: a bearer token, an API key, or the session cookie.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use rylie_db::prelude::*;

use crate::cookies::cookie;
use crate::cross_site::refuse_cross_site;
use crate::problem::Problem;
use crate::web::Web;

/// The header with an API key.
const API_KEY: &str = "x-api-key";

/// Returns the credential. A call has one of three:
///
/// 1. `Authorization: Bearer` with a session's token, or with an API key that begins with `rk_`;
/// 2. `X-API-Key` with an API key;
/// 3. the session cookie. A browser sends it without being asked, so a write with it must come from the own site.
///
/// A header that is present and malformed is refused: the call never falls back to a weaker credential.
pub(crate) fn credential_of(parts: &Parts, web: &Web) -> Result<Credential, Problem> {
    if parts.headers.contains_key(AUTHORIZATION) {
        let text = only(&parts.headers, AUTHORIZATION.as_str())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(refused)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        return Credential::of_text(token.trim()).ok_or_else(refused);
    }
    if parts.headers.contains_key(API_KEY) {
        let text = only(&parts.headers, API_KEY)?;
        let fits = !text.is_empty() && text.len() <= Credential::MAX_BYTES;
        return fits.then(|| Credential::ApiKey(text.into())).ok_or_else(refused);
    }
    let token = cookie(&parts.headers, &web.settings.session_cookie).ok_or_else(refused)?;
    refuse_cross_site(parts, &web.settings)?;
    let fits = !token.is_empty() && token.len() <= Credential::MAX_BYTES;
    fits.then(|| Credential::Session(Token::new(token))).ok_or_else(refused)
}

/// Returns the value of a header that must occur once.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (Some(Ok(text)), None) => Ok(text.trim()),
        _ => Err(refused()),
    }
}

/// The same answer for every credential that signs no user in.
fn refused() -> Problem {
    rylie_db::repositories::Error::NotSignedIn.into()
}
