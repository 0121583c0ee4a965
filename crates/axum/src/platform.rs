//! Work across tenants, for super admins who state a reason.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use rylie_db::prelude::*;
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::body::{parse_body, read_body};
use crate::origin::origin_of;
use crate::problem::{Problem, ProblemKind, malformed};
use crate::scope::signed_in;
use crate::web::{Web, web_of};

/// The header with the reason of a call across tenants, in UTF-8. It is recorded before the unit opens.
pub const REASON: &str = "x-access-reason";

/// The longest reason, in bytes.
const LONGEST_REASON: usize = 500;

/// An open read-only unit across tenants. Refused with 401 without a valid credential, with 403 unless the user is a
/// super admin, and with 400 without a reason. The access and a refusal are recorded.
pub struct PlatformRead(Box<dyn PlatformUnit>);

impl Deref for PlatformRead {
    type Target = Box<dyn PlatformUnit>;

    fn deref(&self) -> &Box<dyn PlatformUnit> {
        &self.0
    }
}

impl<S> FromRequestParts<S> for PlatformRead
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let web = web_of(state);
        let (user, origin) = (signed_in(parts, &web).await?, origin_of(parts, &web));
        let reason = reason_of(&parts.headers, &user)?;
        Ok(Self(web.store.platform_for(&user, &reason, origin).read_only().await?))
    }
}

/// A write across tenants that is ready to run: the user and the body are read, and no unit is open yet. Refused as
/// [`PlatformRead`] is.
pub struct PlatformWrite<B = ()> {
    body: B,
    web: Web,
    user: SignedInUser,
    reason: String,
    origin: Origin,
}

impl<B: Send> PlatformWrite<B> {
    /// Opens the unit, runs `work` and commits. An error rolls back, except the record of the access. There are no
    /// idempotency keys across tenants.
    pub async fn run<F, W>(self, work: F) -> Result<Answer, Problem>
    where
        F: FnOnce(Arc<Box<dyn PlatformUnit>>, B) -> W + Send,
        W: Future<Output = Result<Answer, Problem>> + Send,
    {
        let Self { body, web, user, reason, origin } = self;
        let unit = Arc::new(web.store.platform_for(&user, &reason, origin).await?);
        let mut answer = work(Arc::clone(&unit), body).await?;
        let Some(unit) = Arc::into_inner(unit) else {
            tracing::error!("a handler kept a copy of its unit; nothing was committed");
            return Err(Problem::new(ProblemKind::Internal, "the service failed to answer; its log has the reason"));
        };
        answer.cookie = web.position_cookie(unit.commit_with_position().await?);
        Ok(answer)
    }
}

impl<B, S> FromRequest<S> for PlatformWrite<B>
where
    B: DeserializeOwned,
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let web = web_of(state);
        let (parts, body) = request.into_parts();
        let user = signed_in(&parts, &web).await?;
        let reason = reason_of(&parts.headers, &user)?;
        let bytes = read_body(body, &web.settings).await?;
        let (body, origin) = (parse_body(&parts, &bytes)?, origin_of(&parts, &web));
        Ok(Self { body, web, user, reason, origin })
    }
}

/// Returns the reason. A user who is no super admin needs none: the store refuses the access and records it.
fn reason_of(headers: &HeaderMap, user: &SignedInUser) -> Result<String, Problem> {
    let reason = headers.get(REASON).map(|reason| String::from_utf8_lossy(reason.as_bytes()).trim().to_owned());
    match reason.filter(|reason| (1..=LONGEST_REASON).contains(&reason.len())) {
        Some(reason) => Ok(reason),
        None if user.role() != UserRole::SuperAdmin => Ok("none".to_owned()),
        None => Err(malformed(format!("say in the header `{REASON}` why the work is across tenants, in 500 bytes"))),
    }
}
