//! The parameters and the answers of lists.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::header::LINK;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use rylie_db::prelude::*;
use rylie_db::repositories::PageItem;
use serde::Serialize;

use crate::fingerprint::uri_of;
use crate::links::Links;
use crate::problem::{Problem, malformed};

/// The parameters `limit` and `offset`: 50 rows by default, 100 at most. An empty one is missing. Anything but a whole
/// number of at least 0 gets 400.
#[derive(Clone, Debug)]
pub struct Paging {
    page: PageRequest,
    uri: Uri,
}

impl Paging {
    /// Returns the requested page.
    #[must_use]
    pub fn request(&self) -> PageRequest {
        self.page
    }

    /// Answers with the page: its rows under their name, `total`, `limit` and `offset`, and a `Link` header with the
    /// first, previous, next and last page.
    pub fn answer<T: PageItem + Serialize>(&self, page: &Page<T>) -> Response {
        let mut links = Links::of(&self.uri, ["limit", "offset"]);
        let (limit, offset) = (page.limit, page.offset);
        let mut add = |relation, offset: u64| links.add(relation, &format!("limit={limit}&offset={offset}"));
        add("first", 0);
        if offset > 0 {
            add("prev", offset.saturating_sub(limit));
        }
        if offset.saturating_add(page.items.len() as u64) < page.total {
            add("next", offset.saturating_add(limit));
        }
        add("last", page.total.saturating_sub(1) / limit.max(1) * limit);
        with_links(Json(page).into_response(), links.value())
    }
}

/// The parameters `limit` and `cursor` of a walk. Pages at any depth cost the same, and there is no total. A malformed
/// limit or cursor gets 400.
#[derive(Clone, Debug)]
pub struct CursorPaging {
    page: KeysetRequest,
    uri: Uri,
}

impl CursorPaging {
    /// Returns the requested page.
    #[must_use]
    pub fn request(&self) -> KeysetRequest {
        self.page.clone()
    }

    /// Answers with the page: its rows under their name and `next`, and a `Link` header with the next page.
    pub fn answer<T: PageItem + Serialize>(&self, page: &KeysetPage<T>) -> Response {
        let mut links = Links::of(&self.uri, ["limit", "cursor"]);
        if let Some(next) = &page.next {
            links.add("next", &format!("limit={}&cursor={next}", self.page.limit()));
        }
        with_links(Json(page).into_response(), links.value())
    }
}

fn with_links(mut response: Response, links: Option<HeaderValue>) -> Response {
    if let Some(links) = links {
        response.headers_mut().insert(LINK, links);
    }
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parameters = Parameters::of(parts)?;
        let page = PageRequest::parse(parameters.get("limit")?, parameters.get("offset")?)?;
        Ok(Self { page, uri: uri_of(parts).clone() })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CursorPaging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parameters = Parameters::of(parts)?;
        let page = KeysetRequest::parse(parameters.get("limit")?, parameters.get("cursor")?)?;
        Ok(Self { page, uri: uri_of(parts).clone() })
    }
}

/// The parameters of a query.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn of(parts: &Parts) -> Result<Self, Problem> {
        let read = Query::<Vec<(String, String)>>::try_from_uri(uri_of(parts));
        let Query(pairs) = read.map_err(|_| malformed("the query is not URL-encoded UTF-8"))?;
        Ok(Self(pairs))
    }

    /// Returns a parameter that may occur once; an empty one is missing.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(malformed(format!("the parameter `{name}` occurs more than once")));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }
}
