//! Lists across agencies, for super admins who state a reason.

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use rylie_axum::{Answer, Paging, PlatformRead, Problem, RequestQuery};
use rylie_db::entities::{AgencyId, UserId};
use rylie_db::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

/// A request with its user and its agency, as the platform's list has them.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    request: &'a Request,
    user: Option<Value>,
    agency: Option<Value>,
}

/// Three statements for any number of rows.
pub(crate) async fn requests(unit: PlatformRead, filter: RequestQuery, paging: Paging) -> Result<Response, Problem> {
    let page = unit.requests().list(filter.0, paging.request()).await?;
    let users: Vec<UserId> = page.items.iter().map(|request| request.user_id.clone()).collect();
    let agencies: Vec<AgencyId> = page.items.iter().filter_map(|request| request.agency_id.clone()).collect();
    let users: HashMap<_, _> = unit.users().find_many(&users).await?.into_iter().map(|u| (u.id.clone(), u)).collect();
    let agencies: HashMap<_, _> =
        unit.agencies().find_many(&agencies).await?.into_iter().map(|a| (a.id.clone(), a)).collect();
    let rows = page.items.iter().map(|request| Row {
        request,
        user: users
            .get(&request.user_id)
            .map(|user| json!({ "id": user.id, "name": user.name, "email": user.email, "agencyId": user.agency_id })),
        agency: request
            .agency_id
            .as_ref()
            .and_then(|id| agencies.get(id))
            .map(|a| json!({ "id": a.id, "name": a.name })),
    });
    let rows: Vec<_> = rows.collect();
    let body = json!({ "requests": rows, "total": page.total, "limit": page.limit, "offset": page.offset });
    Ok(Answer::ok(&body)?.into_response())
}
