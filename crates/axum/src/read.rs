//! Reading a tenant's rows.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use rylie_db::prelude::*;

use crate::cookies::position_of;
use crate::credential::credential_of;
use crate::origin::origin_of;
use crate::problem::Problem;
use crate::web::{Web, web_of};

/// An open read-only unit on the signed-in user's tenant. It ends with the handler.
///
/// It sees the client's own writes, also on a replica: the cookie of the last write says from which position on. On
/// SQLite it waits for no writer. Refused with 401 without a valid credential.
#[derive(Debug)]
pub struct TenantRead(TenantAccess);

impl TenantRead {
    /// Returns the signed-in user.
    #[must_use]
    pub fn user(&self) -> &SignedInUser {
        self.0.user()
    }

    /// Returns the scope of the unit.
    #[must_use]
    pub fn scope(&self) -> &TenantScope {
        self.0.scope()
    }
}

impl Deref for TenantRead {
    type Target = TenantAccess;

    fn deref(&self) -> &TenantAccess {
        &self.0
    }
}

impl<S> FromRequestParts<S> for TenantRead
where
    S: Send + Sync,
    Web: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let web = web_of(state);
        let (credential, origin) = (credential_of(parts, &web)?, origin_of(parts, &web));
        let after = position_of(&parts.headers);
        let opened = retry(web.settings.retry, || async {
            let unit = web.store.tenant_of(credential.clone(), origin.clone()).read_only();
            match after {
                Some(position) => unit.after(position).await,
                None => unit.await,
            }
        });
        Ok(Self(*opened.await?))
    }
}
