//! Writing a tenant's rows: one unit, one effect, one answer.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRef, FromRequest, Request};
use axum::http::HeaderMap;
use rylie_db::prelude::*;
use rylie_db::repositories::{Claim, Error, Unit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::body::{parse_body, read_body};
use crate::credential::credential_of;
use crate::etag::{if_match_of, refuse_changed};
use crate::fingerprint::fingerprint_of;
use crate::origin::origin_of;
use crate::problem::{Problem, malformed};
use crate::web::{Web, web_of};

/// The header with the key under which a client may repeat a write.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A write that is ready to run: credential and body are read, and no unit is open yet.
///
/// [`run`](Self::run) opens the unit, does the work and commits. With the header `Idempotency-Key` the answer is stored
/// with the effect, in the same transaction. A repetition gets the stored answer, also after the process was killed:
///
/// | repetition | answer |
/// |---|---|
/// | after the commit | the stored one, with `Idempotency-Replayed: true`; without its body if that has over 1 MiB |
/// | while the first call runs | waits for it, then the stored one; after the lock timeout (5 s) 503 with `Retry-After` |
/// | after an error or a rollback | the call runs |
/// | with another method, path, query or body | 422 |
///
/// A client that disconnects rolls the unit back, unless the commit was already sent.
///
/// Refused with 401 without a credential, and with 403 for a session cookie from another site. Refused with 413 for a
/// body that is too long, and with 408 for one that is too slow. Refused with 415 for one that is not JSON, and with
/// 400 for one that does not fit.
///
/// ```no_run
/// use rylie_axum::{Answer, Problem, TenantWrite};
/// use rylie_db::prelude::*;
///
/// async fn create(write: TenantWrite<NewRequest>) -> Result<Answer, Problem> {
///     write
///         .run(|unit, new| async move {
///             let request = unit.requests().add(new).await?;
///             Answer::created(format!("/requests/{}", request.id), &request)
///         })
///         .await
/// }
/// ```
#[derive(Debug)]
pub struct TenantWrite<B = ()> {
    body: B,
    web: Web,
    credential: Credential,
    origin: Origin,
    key: Option<String>,
    fingerprint: String,
    if_match: Option<String>,
}

impl<B: Send> TenantWrite<B> {
    /// Returns the body.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// Returns the credential that the call came with, such as the session that a sign-out ends.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// Opens the unit, runs `work`, stores the answer and commits. An error rolls everything back.
    ///
    /// Opening is retried; `work` runs at most once. It must not keep a copy of the unit: that is 500.
    ///
    /// Answers 401 if the credential signs no user in, 422 if the idempotency key was used for another call, and 400
    /// for a malformed key. Answers 400 for an `If-Match` that `work` does not compare. An error of the unit has the
    /// status of [`Error::status`].
    pub async fn run<F, W>(self, work: F) -> Result<Answer, Problem>
    where
        F: FnOnce(WriteUnit, B) -> W + Send,
        W: Future<Output = Result<Answer, Problem>> + Send,
    {
        let (access, claim) = retry(self.web.settings.retry, || self.open()).await?;
        if let Some(Claim::Answered(answer)) = claim {
            let position = access.commit_with_position().await?;
            let mut answer = Answer::of_stored(&answer)?;
            answer.cookie = self.web.position_cookie(position);
            return Ok(answer);
        }
        let Self { body, web, key, if_match, .. } = self;
        let unit = WriteUnit { access: Arc::new(access), if_match: if_match.map(Into::into), compared: Arc::default() };
        let worked = work(unit.clone(), body).await;
        let worked = worked.and_then(|answer| unit.refuse_uncompared().map(|()| answer));
        let unit = Arc::into_inner(unit.access).map(|access| access.into_parts().1);
        let (mut answer, access) = answered(worked, unit).await?;
        if let Some(key) = &key {
            access.idempotency().answer(key, &answer.to_stored()?).await?;
        }
        let position = access.commit_with_position().await?;
        answer.cookie = web.position_cookie(position);
        Ok(answer)
    }

    async fn open(&self) -> Result<(TenantAccess, Option<Claim>), Error> {
        let access = *self.web.store.tenant_of(self.credential.clone(), self.origin.clone()).await?;
        let claim = match &self.key {
            Some(key) => access.idempotency().claim(key, &self.fingerprint).await.map(Some),
            None => Ok(None),
        };
        match claim {
            Ok(claim) => Ok((access, claim)),
            Err(error) => {
                access.rollback().await;
                Err(error)
            }
        }
    }
}

/// The open unit of a write. It is used as a [`TenantUnit`]; [`TenantWrite::run`] commits it.
#[derive(Clone, Debug)]
pub struct WriteUnit {
    access: Arc<TenantAccess>,
    if_match: Option<Arc<str>>,
    /// Whether the handler has compared `If-Match`.
    compared: Arc<AtomicBool>,
}

impl WriteUnit {
    /// Refuses the call with 412 if its `If-Match` does not name the present state. See
    /// [`refuse_changed`](crate::refuse_changed).
    pub fn refuse_changed<T: Serialize + ?Sized>(&self, present: &T) -> Result<(), Problem> {
        self.compared.store(true, Ordering::Relaxed);
        refuse_changed(self.if_match.as_deref(), present)
    }

    /// A call whose condition was not compared must not have an effect (RFC 9110, section 13.1.1).
    fn refuse_uncompared(&self) -> Result<(), Problem> {
        if self.if_match.is_none() || self.compared.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(malformed("this call does not compare `If-Match`; send it without"))
    }
}

impl Deref for WriteUnit {
    type Target = TenantAccess;

    fn deref(&self) -> &TenantAccess {
        &self.access
    }
}

/// Returns the answer of a handler and its unit, which is to be committed. After an error it rolls the unit back.
pub(crate) async fn answered<U: Unit + ?Sized>(
    worked: Result<Answer, Problem>,
    unit: Option<Box<U>>,
) -> Result<(Answer, Box<U>), Problem> {
    match (worked, unit) {
        (Ok(answer), Some(unit)) => Ok((answer, unit)),
        (Ok(_), None) => Err(Problem::internal(&StillInUse)),
        (Err(problem), unit) => {
            if let Some(unit) = unit {
                unit.rollback().await;
            }
            Err(problem)
        }
    }
}

/// A handler kept a copy of its unit, which therefore cannot be committed.
#[derive(Debug)]
pub(crate) struct StillInUse;

impl std::fmt::Display for StillInUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a handler kept a copy of its unit; nothing was committed")
    }
}

impl std::error::Error for StillInUse {}

impl<B, S> FromRequest<S> for TenantWrite<B>
where
    B: DeserializeOwned,
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let web = web_of(state);
        let (parts, body) = request.into_parts();
        let credential = credential_of(&parts, &web)?;
        let key = key_of(&parts.headers)?;
        if key.is_none() && web.settings.requires_idempotency_key {
            return Err(malformed("send the header `Idempotency-Key`, a new one with each new call"));
        }
        let bytes = read_body(body, &web.settings).await?;
        Ok(Self {
            body: parse_body(&parts, &bytes)?,
            credential,
            origin: origin_of(&parts, &web),
            fingerprint: fingerprint_of(&parts, &bytes),
            if_match: if_match_of(&parts.headers),
            key,
            web,
        })
    }
}

/// Returns the key, without the quotes that the header's draft standard asks for.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let text = text.ok_or_else(|| malformed("`Idempotency-Key` must be one header of printable ASCII"))?.trim();
    let bare = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    Ok(Some(bare.to_owned()))
}
