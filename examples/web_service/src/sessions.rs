//! Signing in and out.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use rylie_axum::{Answer, JsonBody, Problem, ProblemKind, TenantWrite};
use rylie_db::prelude::*;
use serde::Deserialize;

use crate::app::App;

/// A one-time token from the mail that the user received.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    email: String,
    token: Token,
}

/// Begins a session with a one-time token, and stores it in a cookie. The answer is the same for an unknown address and
/// for a wrong token.
pub(crate) async fn sign_in(
    State(app): State<App>,
    JsonBody(SignIn { email, token }): JsonBody<SignIn>,
) -> Result<Response, Problem> {
    let wrong = || Problem::new(ProblemKind::NotSignedIn, "the token is wrong, was used before or has expired");
    let unit = app.web.store().identity().await?;
    let user = unit.identities().find_by_email(email.trim()).await?;
    // The token was issued to the address as it is stored.
    let address = user.as_ref().map_or(email.trim(), |user| user.email.as_str());
    let is_right = unit.verification_tokens().consume(address, &token).await?;
    let Some(user) = user.filter(|_| is_right) else {
        unit.rollback().await;
        return Err(wrong());
    };
    let expires = SystemEnv.now() + TimeDelta::hours(8);
    let session = unit.sessions().begin(&user.id, expires).await?;
    unit.commit().await?;
    let cookie = app.web.session_cookie(&session, expires)?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response())
}

/// Ends the session that the call came with. A call with an API key has none.
pub(crate) async fn sign_out(State(app): State<App>, write: TenantWrite) -> Result<Response, Problem> {
    let Credential::Session(token) = write.credential().clone() else {
        return Err(Problem::new(ProblemKind::Malformed, "an API key has no session to end"));
    };
    // Runs the checks of a write: the caller is signed in, and the call comes from an own page.
    let answer = write.run(|_, ()| async { Ok(Answer::empty()) }).await?;
    let unit = app.web.store().identity().await?;
    unit.sessions().end(&token).await?;
    unit.commit().await?;
    Ok(([(SET_COOKIE, app.web.ended_session_cookie()?)], answer).into_response())
}
