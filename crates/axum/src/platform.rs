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
use crate::cookies::position_of;
use crate::origin::origin_of;
use crate::problem::{Problem, malformed};
use crate::scope::signed_in;
use crate::web::{Web, web_of};
use crate::write::{IDEMPOTENCY_KEY, answered};

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
        let unit = web.store.platform_for(&user, &reason, origin).read_only();
        Ok(Self(match position_of(&parts.headers) {
            Some(position) => unit.after(position).await?,
            None => unit.await?,
        }))
    }
}

/// A write across tenants that is ready to run: the user and the body are read, and no unit is open yet. Refused as
/// [`PlatformRead`] is. Refused with 400 if it has an idempotency key or `If-Match`, and as a
/// [`TenantWrite`](crate::TenantWrite) for its body.
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
    ///
    /// Answers 403 unless the user is a super admin. An error of the unit has the status of
    /// [`Error::status`](rylie_db::repositories::Error::status). If `work` keeps a copy of the unit, that is 500.
    pub async fn run<F, W>(self, work: F) -> Result<Answer, Problem>
    where
        F: FnOnce(Arc<Box<dyn PlatformUnit>>, B) -> W + Send,
        W: Future<Output = Result<Answer, Problem>> + Send,
    {
        let Self { body, web, user, reason, origin } = self;
        let unit = Arc::new(web.store.platform_for(&user, &reason, origin).await?);
        let worked = work(Arc::clone(&unit), body).await;
        let (mut answer, unit) = answered(worked, Arc::into_inner(unit)).await?;
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
        for name in [IDEMPOTENCY_KEY, "if-match"] {
            if parts.headers.contains_key(name) {
                return Err(malformed(format!("calls across tenants take no header `{name}`; send the call without")));
            }
        }
        let bytes = read_body(body, &web.settings).await?;
        let (body, origin) = (parse_body(&parts, &bytes)?, origin_of(&parts, &web));
        Ok(Self { body, web, user, reason, origin })
    }
}

/// Whether a character could make a reason look like another one in the audit log.
fn is_hidden(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the reason. A user who is no super admin needs none: the store refuses the access and records it.
fn reason_of(headers: &HeaderMap, user: &SignedInUser) -> Result<String, Problem> {
    let mut given = headers.get_all(REASON).iter();
    let reason = given.next().map(|reason| String::from_utf8_lossy(reason.as_bytes()).trim().to_owned());
    let says_something = |reason: &String| {
        (1..=LONGEST_REASON).contains(&reason.len())
            && reason.chars().any(char::is_alphanumeric)
            && !reason.contains(is_hidden)
    };
    match reason.filter(says_something).filter(|_| given.next().is_none()) {
        Some(reason) => Ok(reason),
        None if user.role() != UserRole::SuperAdmin => Ok("none".to_owned()),
        None => Err(malformed(format!("say in one header `{REASON}` why the work is across tenants, in 500 bytes"))),
    }
}
