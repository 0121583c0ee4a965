//! The scope of the signed-in user, for handlers that open their own units.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use rylie_db::prelude::*;

use crate::credential::credential_of;
use crate::origin::origin_of;
use crate::problem::Problem;
use crate::web::{Web, web_of};

/// The scope of the signed-in user. Only this extractor and the units make one, so a handler without them has no data.
///
/// Prefer [`TenantRead`](crate::TenantRead) and [`TenantWrite`](crate::TenantWrite), which sign in and open the unit at
/// once. Use this for handlers that open a unit late, or more than one. The call is signed in by a read-only unit of
/// its own, which has ended. Refused with 401 without a valid credential, and with 403 for a write with a session
/// cookie from another site.
#[derive(Clone, Debug)]
pub struct Scope(pub TenantScope);

impl<S> FromRequestParts<S> for Scope
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let web = web_of(state);
        let user = signed_in(parts, &web).await?;
        Ok(Self(TenantScope::of(&user, origin_of(parts, &web))))
    }
}

/// Signs in by the call's credential, on the primary.
pub(crate) async fn signed_in(parts: &Parts, web: &Web) -> Result<SignedInUser, Problem> {
    let credential = credential_of(parts, web)?;
    let signed_in = retry(web.settings.retry, || web.store.signed_in(credential.clone())).await;
    Ok(signed_in?.ok_or(rylie_db::repositories::Error::NotSignedIn)?)
}
