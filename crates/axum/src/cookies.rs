//! The session cookie, and the cookie of the log position.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use chrono::{DateTime, Utc};
use rylie_db::prelude::*;

use crate::problem::Problem;
use crate::same_site::SameSite;
use crate::web::{Settings, Web};

/// The cookie with the log position of the client's last write.
const POSITION: &str = "rylie-position";

/// How long a client reads its own writes from an up-to-date server, in seconds.
const POSITION_KEPT: u32 = 60;

impl Web {
    /// Returns the `Set-Cookie` value that stores a session's token: `HttpOnly`, `SameSite`, and `Secure`. Fails with
    /// [`Internal`](crate::ProblemKind::Internal) for a token that is no cookie value; those of
    /// [`begin`](rylie_db::repositories::SessionRepository::begin) are.
    pub fn session_cookie(&self, token: &Token, expires: DateTime<Utc>) -> Result<HeaderValue, Problem> {
        // A separator in the token would add attributes to the cookie.
        if token.expose().is_empty() || !token.expose().bytes().all(is_cookie_octet) {
            return Err(Problem::internal(&NoCookieValue));
        }
        let until = expires.format("%a, %d %b %Y %H:%M:%S GMT");
        let cookie = format!("{}={}; Expires={until}", self.settings.session_cookie, token.expose());
        let mut value =
            HeaderValue::try_from(attributed(&cookie, &self.settings)).map_err(|e| Problem::internal(&e))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Returns the `Set-Cookie` value that removes the session cookie. Fails with
    /// [`Internal`](crate::ProblemKind::Internal) if the cookie's name cannot stand in a header.
    pub fn ended_session_cookie(&self) -> Result<HeaderValue, Problem> {
        let cookie = format!("{}=; Max-Age=0", self.settings.session_cookie);
        HeaderValue::try_from(attributed(&cookie, &self.settings)).map_err(|error| Problem::internal(&error))
    }

    /// Returns the token of the session cookie, to end the session.
    #[must_use]
    pub fn session_token(&self, headers: &HeaderMap) -> Option<Token> {
        cookie(headers, &self.settings.session_cookie).map(Token::new)
    }

    /// Returns the cookie with the position of a write, or `None` where there is no log, as on SQLite.
    pub(crate) fn position_cookie(&self, position: LogPosition) -> Option<HeaderValue> {
        if position == LogPosition::default() {
            return None;
        }
        let cookie = format!("{POSITION}={position}; Max-Age={POSITION_KEPT}");
        HeaderValue::try_from(attributed(&cookie, &self.settings)).ok()
    }
}

/// RFC 6265, 4.1.1.
fn is_cookie_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// The token is no cookie value.
#[derive(Debug)]
struct NoCookieValue;

impl std::fmt::Display for NoCookieValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the session's token cannot be a cookie's value; use a token that the store made")
    }
}

impl std::error::Error for NoCookieValue {}

fn attributed(cookie: &str, settings: &Settings) -> String {
    let same_site = match settings.same_site {
        SameSite::Lax => "Lax",
        SameSite::Strict => "Strict",
    };
    let secure = if settings.secure_cookies { "; Secure" } else { "" };
    format!("{cookie}; Path=/; HttpOnly; SameSite={same_site}{secure}")
}

/// Returns the position behind the client's last write. A forged one gives older data within the limit of replicas, or
/// reads from the primary.
pub(crate) fn position_of(headers: &HeaderMap) -> Option<LogPosition> {
    cookie(headers, POSITION)?.parse().ok()
}

/// Returns the value of a cookie. `None` if it occurs twice with different values: another host may have planted one.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'));
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}
