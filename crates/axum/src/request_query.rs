//! The parameters that select requests.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use rylie_db::prelude::*;

use crate::paging::Parameters;
use crate::problem::{Problem, malformed};

/// The filter of a list of requests: the parameters `status`, `type`, `userId` and `deleted`. An empty one is missing;
/// an unknown label gets 400. A filter only narrows the scope.
#[derive(Clone, Debug, Default)]
pub struct RequestQuery(pub RequestFilter);

impl<S: Send + Sync> FromRequestParts<S> for RequestQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parameters = Parameters::of(parts)?;
        let status = parameters.get("status")?.map(str::parse::<RequestStatus>).transpose();
        let deleted = match parameters.get("deleted")? {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(malformed("the parameter `deleted` is true or false")),
        };
        Ok(Self(RequestFilter {
            status: status.map_err(|unknown| malformed(format!("the parameter `status`: {unknown}")))?,
            kind: parameters.get("type")?.map(Into::into),
            user: parameters.get("userId")?.map(str::parse).transpose()?,
            deleted,
        }))
    }
}
