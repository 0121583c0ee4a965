//! Signing in and out.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use rylie_axum::{Answer, Problem, ProblemKind, TenantWrite};
use rylie_db::prelude::*;
use serde::Deserialize;

use crate::app::App;

/// A one-time token from the mail that the user received.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    email: String,
    token: String,
}

/// Begins a session with a one-time token, and stores it in a cookie. The answer is the same for an unknown address and
/// for a wrong token.
pub(crate) async fn sign_in(
    State(app): State<App>,
    body: Result<Json<SignIn>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Problem> {
    let wrong = || Problem::new(ProblemKind::NotSignedIn, "the token is wrong, was used before or has expired");
    let Json(SignIn { email, token }) =
        body.map_err(|_| Problem::new(ProblemKind::Malformed, "send `email` and `token`"))?;
    let unit = app.web.store().identity().await?;
    if !unit.verification_tokens().consume(&email, &Token::new(token)).await? {
        return Err(wrong());
    }
    let user = unit.identities().find_by_email(&email).await?.ok_or_else(wrong)?;
    let expires = SystemEnv.now() + TimeDelta::hours(8);
    let session = unit.sessions().begin(&user.id, expires).await?;
    unit.commit().await?;
    let cookie = app.web.session_cookie(&session, expires)?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Ends the session of the cookie or the bearer token.
pub(crate) async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
    write: TenantWrite,
) -> Result<Response, Problem> {
    let bearer = headers.get("authorization").and_then(|value| value.to_str().ok()?.split_once(' '));
    let token = bearer.map(|(_, token)| Token::new(token)).or_else(|| app.web.session_token(&headers));
    // Runs the checks of a write: the caller is signed in, and the call comes from an own page.
    let answer = write.run(|_, ()| async { Ok(Answer::empty()) }).await?;
    if let Some(token) = token {
        let unit = app.web.store().identity().await?;
        unit.sessions().end(&token).await?;
        unit.commit().await?;
    }
    Ok(([(SET_COOKIE, app.web.ended_session_cookie()?)], answer).into_response())
}
